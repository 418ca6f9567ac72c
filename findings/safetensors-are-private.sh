#!/usr/bin/env bash
# safetensors 0.8.0: every file that save_file writes is its owner's alone, whatever the umask.
# One would guess: as with open() or torch.save, new files get 0666 less the umask, and a file that
# is written again keeps its permissions.
# What happens: mode 0600; a file that was opened to a group falls back to 0600 when it is saved
# again, so that on a shared disk others may read a model's configuration and not its weights.
# Output seen: umask 022: open 644, save_file 600, saved again over 664: 600.
. "$(dirname "$0")/common.sh"
packages safetensors==0.8.0 numpy==2.4.6
python - <<"END"
import os
import stat

import numpy as np
from safetensors.numpy import save_file


def mode(name):
    return f"{stat.S_IMODE(os.stat(name).st_mode):o}"


os.umask(0o022)
open("text", "w").close()
save_file({"a": np.ones(3)}, "w.safetensors")
first = mode("w.safetensors")
os.chmod("w.safetensors", 0o664)
save_file({"a": np.ones(3)}, "w.safetensors")
again = mode("w.safetensors")
print("open", mode("text"), "save_file", first, "saved again over 664", again)
assert (mode("text"), first, again) == ("644", "600", "600")
END
