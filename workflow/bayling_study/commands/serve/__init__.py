"""An OpenAI-compatible server for some models: what a client sends is checked and encoded here.
Servers of other projects render a chat as one string and tokenise it whole, so a ``<|im_end|>`` in
a user's text ends the user's turn. This one tokenises as tuning and generation do, and loads every
format that they load."""
