"""A page on this machine to talk to several systems at once, and to say which answers better. The
page asks the addresses of ``serve``; votes go to a sheet of ``ranking``."""
