"""Small files written by the formats' own Python libraries, and what they hold.

Needs: numpy 2.4.6, gguf 0.19.0, safetensors 0.8.0, torch 2.15.0.  Usage: python make.py

types.gguf       one tensor of every GGUF type that is decoded, 2 rows of 512, and metadata of every kind
types.f32        gguf-py's dequantized values, tensor after tensor
types.safetensors, types_st.f32   the same for safetensors' dtypes (torch's values)
*.npy, *.npz     numpy's arrays in several dtypes and orders; every one holds arange(24) - 3 in the
                 shape [2, 3, 4] (bool: odd or not; unsigned types: arange(24))
"""
import pathlib

import gguf
import numpy as np
import safetensors.torch
import torch
from gguf import GGMLQuantizationType as Q

HERE = pathlib.Path(__file__).parent
rng = np.random.default_rng(7)


def k_blocks(kind, halves):
    """Random blocks with finite float16 values at the byte offsets `halves`."""
    block, size = gguf.GGML_QUANT_SIZES[kind]
    raw = rng.integers(0, 256, (2, 512 // block, size), dtype=np.uint8)
    for at in halves:
        raw[:, :, at:at + 2] = rng.normal(0, 0.1, (2, 512 // block, 1)).astype(np.float16).view(np.uint8)
    return raw.reshape(2, -1)


def make_gguf():
    x = rng.normal(0, 1, (2, 512)).astype(np.float32)
    writer = gguf.GGUFWriter(str(HERE / "types.gguf"), "test")
    writer.add_uint8("u8", 200)
    writer.add_int8("i8", -100)
    writer.add_uint16("u16", 60000)
    writer.add_int16("i16", -30000)
    writer.add_int32("i32", -2000000000)
    writer.add_uint64("u64", 2**63)
    writer.add_int64("i64", -2**62)
    writer.add_float32("f32", 0.5)
    writer.add_float64("f64", 0.1)
    writer.add_bool("flag", True)
    writer.add_string("text", "caf\u00e9")
    writer.add_array("ints", [1, -2, 3])
    writer.add_array("floats", [0.5, -1.5])
    writer.add_array("strings", ["a", "", "b c"])
    values = []
    for kind in (Q.F32, Q.F16, Q.BF16, Q.Q4_0, Q.Q4_1, Q.Q5_0, Q.Q5_1, Q.Q8_0):
        data = gguf.quants.quantize(x, kind)
        writer.add_tensor(kind.name, data, raw_dtype=kind)
        values.append(gguf.quants.dequantize(data, kind))
    for kind, halves in ((Q.Q4_K, (0, 2)), (Q.Q5_K, (0, 2)), (Q.Q6_K, (208,))):
        data = k_blocks(kind, halves)
        writer.add_tensor(kind.name, data, raw_dtype=kind)
        values.append(gguf.quants.dequantize(data, kind))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    np.concatenate([v.astype(np.float32).ravel() for v in values]).tofile(HERE / "types.f32")


def make_safetensors():
    x = torch.from_numpy(rng.normal(0, 2, (3, 8)).astype(np.float32))
    kinds = [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.float8_e4m3fn,
             torch.float8_e5m2, torch.int8, torch.uint8, torch.int16, torch.bool]
    tensors = {str(k).removeprefix("torch."): (x.abs() if k == torch.uint8 else x).to(k) for k in kinds}
    safetensors.torch.save_file(tensors, str(HERE / "types.safetensors"), {"made": "by torch"})
    np.concatenate([t.to(torch.float32).numpy().ravel() for _, t in sorted(tensors.items())]).tofile(
        HERE / "types_st.f32")


def make_npy():
    base = np.arange(24).reshape(2, 3, 4)
    for code in ("<f4", ">f4", "<f8", ">f8", "<f2", "|i1", "|u1", "<i2", ">u2", "<i4", "<i8", ">u8"):
        a = (base if code[1] == "u" else base - 3).astype(code)
        order = "be" if code[0] == ">" else "le"
        np.save(HERE / f"{code[1:]}_{order}.npy", a)
    np.save(HERE / "b1.npy", base % 2 == 1)
    np.save(HERE / "f4_fortran.npy", np.asfortranarray((base - 3).astype(np.float32)))
    np.save(HERE / "f8_be_fortran.npy", np.asfortranarray((base - 3).astype(">f8")))
    with open(HERE / "version2.npy", "wb") as f:
        np.lib.format.write_array(f, (base - 3).astype(np.float32), version=(2, 0))
    arrays = {"x": (base - 3).astype(np.float32), "n": np.int64(5), "empty": np.zeros((0, 3), np.uint8)}
    np.savez(HERE / "stored.npz", **arrays)
    np.savez_compressed(HERE / "deflated.npz", **arrays)


make_gguf()
make_safetensors()
make_npy()
