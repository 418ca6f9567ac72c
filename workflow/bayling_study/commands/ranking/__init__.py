"""People rank the systems: a blind sheet out, the filled sheets back in.

The paper's human evaluation had English-major annotators rank five systems on three abilities
(translation, instruction following, multi-turn interaction). ``sheet`` writes such a sheet for any
systems and suite of conversations, with the systems in another order in every row and nothing that
tells which is which; the key is a file of its own. ``filled`` reads sheets that came back,
``results`` turns them into shares of first places, mean ranks and agreement.
"""
