#!/usr/bin/env bash
# transformers 5.23.0: with truncation on the left the mask of the assistant's tokens is empty.
# One would guess: of a conversation cut at its start, the last answer, which is whole, is marked.
# What happens: the search for answers stops at the first that begins outside of what is left, so
# that no token is marked and the example trains nothing; cut on the right, the mask is right.
# Output seen: 22 tokens that end with the whole answer, none of them marked, and no warning.
. "$(dirname "$0")/common.sh"
packages transformers==5.23.0 tokenizers==0.23.3 jinja2==3.1.6
python - <<"END"
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

TEMPLATE = """{% for m in messages %}{{ '<' + m.role + '>' }}{% if m.role == 'assistant' %}
{%- generation %}{{ m.content + '<end>' }}{% endgeneration %}
{%- else %}{{ m.content + '<end>' }}{% endif %}{% endfor %}"""
bpe = Tokenizer(models.BPE())
bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
bpe.decoder = decoders.ByteLevel()
bpe.train_from_iterator([], trainers.BpeTrainer(
    special_tokens=["<user>", "<assistant>", "<end>"], show_progress=False,
    initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
TALK = [
    {"role": "user", "content": "Say one."}, {"role": "assistant", "content": "one"},
    {"role": "user", "content": "Say two now."}, {"role": "assistant", "content": "two"},
]


def marked(side, **cut):
    fast = PreTrainedTokenizerFast(
        tokenizer_object=bpe, chat_template=TEMPLATE, truncation_side=side, pad_token="<end>")
    out = fast.apply_chat_template(
        TALK, return_dict=True, return_assistant_tokens_mask=True, truncation=bool(cut), **cut)
    ids, mask = out["input_ids"], out["assistant_masks"]
    text = fast.decode([i for i, on in zip(ids, mask) if on])
    print(side, cut, len(ids), repr(fast.decode(ids)), "marked:", repr(text))
    return fast.decode(ids), text


assert marked("left")[1] == "one<end>two<end>"
kept, text = marked("left", max_length=22)
assert kept.endswith("Say two now.<end><assistant>two<end>") and text == ""
assert marked("right", max_length=22)[1] == "one<end>"
END
