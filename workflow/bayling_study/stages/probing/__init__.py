"""What hidden states hold, layer by layer: translations near each other, and facts."""
