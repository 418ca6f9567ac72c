#!/usr/bin/env bash
# transformers 5.23.0, tokenizers 0.23.3: a blank before an answer unmarks it and the rest.
# One would guess: return_assistant_tokens_mask marks each answer of a conversation by itself.
# What happens: with offsets trimmed (the default of processors.ByteLevel) no token holds the
# blank's place, the search for the answer's first token fails, and goes on to none after it.
# Output seen: marked '' of the answers ' one', 'two'; 'one' of 'one', ' two', 'three'; no warning.
. "$(dirname "$0")/common.sh"
packages transformers==5.23.0 tokenizers==0.23.3 jinja2==3.1.6
python - <<"END"
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

TEMPLATE = """{% for m in messages %}{{ '<' + m.role + '>' }}{% if m.role == 'assistant' %}
{%- generation %}{{ m.content + '<end>' }}{% endgeneration %}
{%- else %}{{ m.content + '<end>' }}{% endif %}{% endfor %}"""


def marked(processor, *answers):
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    bpe.post_processor = processor
    bpe.train_from_iterator([], trainers.BpeTrainer(
        special_tokens=["<user>", "<assistant>", "<end>"], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    fast = PreTrainedTokenizerFast(tokenizer_object=bpe, chat_template=TEMPLATE)
    talk = []
    for answer in answers:
        talk += [{"role": "user", "content": "Go on."}, {"role": "assistant", "content": answer}]
    out = fast.apply_chat_template(talk, return_dict=True, return_assistant_tokens_mask=True)
    pairs = zip(out["input_ids"], out["assistant_masks"])
    text = fast.decode([number for number, on in pairs if on])
    print(answers, "marked:", repr(text))
    return text


default, whole = processors.ByteLevel(), processors.ByteLevel(trim_offsets=False)
assert marked(default, "one", "two") == "one<end>two<end>"
assert marked(default, " one", "two") == ""
assert marked(default, "one", " two", "three") == "one<end>"
assert marked(whole, "one", " two", "three") == "one<end> two<end>three<end>"
END
