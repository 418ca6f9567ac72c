"""What a study will cost, before anything starts: downloads, disk, memory, time, jobs. Every number
comes from a formula of ``arithmetic`` or from a file, and says which."""
