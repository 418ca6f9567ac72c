"""Says in a checkpoint's files what transformers 4, and engines written for it, look for.
transformers 5 writes the base of the rotary angles inside ``rope_parameters`` alone. Version 4
passes over that key without a word and computes with its default of 10,000, and so does whatever
reads ``rope_theta`` from ``config.json`` itself. Version 5 reads both names."""

from pathlib import Path

from bayling_study.core.files import read_json, write_json


def add_older_names(folder: Path) -> None:
    """Adds ``rope_theta`` (and ``rope_scaling``, where the angles are scaled) to ``config.json``.
    In ``tokenizer_config.json`` the class gets the name that both versions know."""
    config = read_json(folder / "config.json")
    rope = config.get("rope_parameters") or {}
    if "rope_theta" in rope:  # otherwise one mapping for each kind of layer: version 5 alone
        config["rope_theta"] = rope["rope_theta"]
        if rope.get("rope_type", "default") != "default":
            config["rope_scaling"] = {k: v for k, v in rope.items() if k != "rope_theta"}
        write_json(folder / "config.json", config)
    path = folder / "tokenizer_config.json"
    values = read_json(path)
    if values.get("tokenizer_class") == "TokenizersBackend":  # a name that 4.57 refuses
        write_json(path, values | {"tokenizer_class": "PreTrainedTokenizerFast"})
