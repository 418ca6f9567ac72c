"""People rank the systems: a blind sheet out, the filled sheets back in.

The paper's human evaluation had English-major annotators rank five systems on three abilities
(translation, instruction following, multi-turn interaction). ``sheet`` writes such a sheet, with
the systems in another order in every row and the key in a file of its own; ``filled`` reads those
that came back, ``results`` makes shares of first places, mean ranks and agreement of them.
"""
