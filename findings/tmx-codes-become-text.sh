#!/usr/bin/env bash
# translate-toolkit 3.20.4: inline codes are text in one format and vanish in the other.
# One would guess: unit.source of TMX and of XLIFF treat a code's content alike.
# What happens: from TMX the content of <bpt>, <ept> and <ph> (native markup) stays in the text;
# from XLIFF <x/> and <g> go without a trace, and runs of blanks become one.
# Output seen: TMX 'Press <b>OK</b> now', XLIFF 'Press OK now' of 'Press  <g>OK</g> <x/>now'.
. "$(dirname "$0")/common.sh"
packages translate-toolkit==3.20.4
python - <<"END"
import io

from translate.storage import tmx, xliff

TMX = b"""<tmx version="1.4"><header creationtool="c" creationtoolversion="1" segtype="sentence"
 o-tmf="t" adminlang="en" srclang="en" datatype="html"/><body><tu>
<tuv xml:lang="en"><seg>Press <bpt i="1">&lt;b&gt;</bpt>OK<ept i="1">&lt;/b&gt;</ept> now</seg></tuv>
<tuv xml:lang="de"><seg>Jetzt OK</seg></tuv></tu></body></tmx>"""
XLIFF = b"""<xliff version="1.2" xmlns="urn:oasis:names:tc:xliff:document:1.2">
<file original="a" source-language="en" target-language="de" datatype="html"><body>
<trans-unit id="1"><source>Press  <g id="1">OK</g> <x id="2"/>now</source>
<target>Jetzt OK</target></trans-unit></body></file></xliff>"""
of_tmx = str(tmx.tmxfile(io.BytesIO(TMX), "en", "de").units[0].source)
of_xliff = str(xliff.xlifffile.parsestring(XLIFF).units[0].source)
print(repr(of_tmx), repr(of_xliff))
assert of_tmx == "Press <b>OK</b> now"
assert of_xliff == "Press OK now"
END
