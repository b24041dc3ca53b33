"""One training step of SmolLM2-135M: PyTorch and this library, alternately, in one run.

    python bench/ops/training_step_peer.py BUILD/bench/ops/training_step MODEL.gguf \
        [--batch 4] [--length 128] [--steps 5] [--threads 2] [--recipes fp32,halo2-int8]

PyTorch runs transformers' model with the weights of the same GGUF file, float32, its default
attention, cross entropy and torch.optim.AdamW(fused=True). Steps alternate, so that other load on
the machine meets both; the least time of each is compared.
"""

import argparse
import pathlib
import subprocess
import time

import gguf
import torch
from transformers import LlamaConfig, LlamaForCausalLM

NAMES = {
    "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj", "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}


def load_peer(path: pathlib.Path) -> LlamaForCausalLM:
    """The GGUF file's weights in transformers' Llama."""
    reader = gguf.GGUFReader(path)

    def field(key: str):
        return reader.fields["llama." + key].contents()

    heads, kv_heads = field("attention.head_count"), field("attention.head_count_kv")
    model = LlamaForCausalLM(LlamaConfig(
        vocab_size=field("vocab_size"), hidden_size=field("embedding_length"),
        intermediate_size=field("feed_forward_length"), num_hidden_layers=field("block_count"),
        num_attention_heads=heads, num_key_value_heads=kv_heads,
        max_position_embeddings=field("context_length"), tie_word_embeddings=True,
        rms_norm_eps=field("attention.layer_norm_rms_epsilon"),
        rope_parameters={"rope_type": "default", "rope_theta": field("rope.freq_base")}))
    state = {}
    for tensor in reader.tensors:
        value = torch.from_numpy(gguf.dequantize(tensor.data, tensor.tensor_type)).float()
        parts = tensor.name.split(".")
        if parts[0] != "blk":
            name = {"token_embd": "model.embed_tokens", "output_norm": "model.norm"}[parts[0]]
            state[name + ".weight"] = value
            continue
        if parts[2] in ("attn_q", "attn_k"):  # pairs of neighbours back to halves
            rows = value.shape[0] // (heads if parts[2] == "attn_q" else kv_heads)
            value = value.reshape(-1, rows // 2, 2, value.shape[1]).swapaxes(1, 2)
            value = value.reshape(-1, value.shape[-1])
        state[f"model.layers.{parts[1]}.{NAMES[parts[2]]}.weight"] = value
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected and set(missing) <= {"lm_head.weight"}, (missing, unexpected)
    model.tie_weights()
    return model


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--recipes", default="fp32,halo2-int8")
    args = parser.parse_args()
    recipes = args.recipes.split(",")

    torch.set_num_threads(args.threads)
    model = load_peer(args.model)
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6, weight_decay=0.0, fused=True)
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(0, model.config.vocab_size, (args.batch, args.length), generator=generator)

    ours = subprocess.Popen(
        [args.program, str(args.model), "--serve", "--batch", str(args.batch), "--length",
         str(args.length), "--threads", str(args.threads)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def peer_step() -> float:
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=False)
        model(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()
        return time.perf_counter() - start

    memory = 0.0

    def our_step(recipe: str) -> float:
        nonlocal memory
        ours.stdin.write(recipe + "\n")
        ours.stdin.flush()
        seconds, gib = ours.stdout.readline().split()
        memory = max(memory, float(gib))
        return float(seconds)

    peer_step()
    times = {"PyTorch fp32": [], **{recipe: [] for recipe in recipes}}
    for recipe in recipes:
        for _ in range(args.steps):
            times["PyTorch fp32"].append(peer_step())
            times[recipe].append(our_step(recipe))
    ours.stdin.close()
    ours.wait()

    base = min(times["PyTorch fp32"])
    print(f"torch {torch.__version__}, {args.threads} threads, batch {args.batch} x {args.length}")
    print(f"{'':24} {'least s':>9} {'median s':>9} {'of PyTorch':>11}")
    for name, runs in times.items():
        runs.sort()
        print(f"{name:24} {runs[0]:9.3f} {runs[len(runs) // 2]:9.3f} {runs[0] / base:11.2f}")
    print(f"peak memory of this library {memory:.2f} GiB")


if __name__ == "__main__":
    main()
