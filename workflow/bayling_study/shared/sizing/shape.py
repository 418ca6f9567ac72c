"""The numbers of a Llama-like model that decide its size."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Shape(NamedTuple):
    """The numbers of a Llama-like ``config.json`` that decide its size."""

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_size: int
    intermediate: int
    vocabulary: int
    tied: bool = False

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "Shape":
        """Reads the shape from the values of a ``config.json``."""
        heads = config["num_attention_heads"]
        return cls(
            hidden=config["hidden_size"],
            layers=config["num_hidden_layers"],
            heads=heads,
            kv_heads=config.get("num_key_value_heads") or heads,
            head_size=config.get("head_dim") or config["hidden_size"] // heads,
            intermediate=config["intermediate_size"],
            vocabulary=config["vocab_size"],
            tied=bool(config.get("tie_word_embeddings", False)),
        )

    def block(self) -> dict[str, tuple[int, int]]:
        """Returns ``(out, in)`` of every linear layer of a block by its name in Llama."""
        query, key = self.heads * self.head_size, self.kv_heads * self.head_size
        return {
            "q_proj": (query, self.hidden),
            "k_proj": (key, self.hidden),
            "v_proj": (key, self.hidden),
            "o_proj": (self.hidden, query),
            "gate_proj": (self.intermediate, self.hidden),
            "up_proj": (self.intermediate, self.hidden),
            "down_proj": (self.hidden, self.intermediate),
        }

    def matrices(self) -> list[tuple[int, int]]:
        """Returns ``(out, in)`` of every linear layer; a tied output layer is none."""
        output = [] if self.tied else [(self.vocabulary, self.hidden)]
        return list(self.block().values()) * self.layers + output

    def kept(self) -> int:
        """Returns the parameters that stay in 16 bits in an export: embeddings and norms."""
        return self.vocabulary * self.hidden + (2 * self.layers + 1) * self.hidden

    def parameters(self) -> int:
        """Returns the number of parameters; a tied output layer counts once, biases are none."""
        return sum(rows * columns for rows, columns in self.matrices()) + self.kept()


LLAMA_7B = Shape(4096, 32, 32, 32, 128, 11008, 32000)
LLAMA_13B = Shape(5120, 40, 40, 40, 128, 13824, 32000)
PUBLISHED = {
    "smollm2": Shape(576, 30, 9, 3, 64, 1536, 49152, tied=True),
    "llama-7b": LLAMA_7B,
    "llama-13b": LLAMA_13B,
    "llama-2-7b-chat": LLAMA_7B,
    "llama-2-13b-chat": LLAMA_13B,
    "llama-3-8b-instruct": Shape(4096, 32, 32, 8, 128, 14336, 128256),
}
"""Source id to shape: the foundations of the BayLing papers and of the small studies, from the
``config.json`` that their owners publish."""
