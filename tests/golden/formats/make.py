"""Golden codes of the formats that tests/golden/elem does not cover.

Run with numpy, ml_dtypes and torch installed; writes the files beside this script.
The input is the adversarial part of ../elem/input.u32, from number 65536 on.
"""

import pathlib

import ml_dtypes
import numpy as np
import torch

HERE = pathlib.Path(__file__).parent
x = np.fromfile(HERE.parent / "elem" / "input.u32", np.uint32)[65536:].view(np.float32)


def save(name, codes):
    codes.tofile(HERE / name)
    print(name, codes.size)


with np.errstate(all="ignore"):
    for name in ("float8_e4m3fnuz", "float8_e5m2fnuz"):
        save(f"{name}.ml_dtypes.u8", x.astype(getattr(ml_dtypes, name)).view(np.uint8))
        save(f"{name}.torch.u8", torch.from_numpy(x.copy()).to(getattr(torch, name)).view(torch.uint8).numpy())
    save("bfloat16.ml_dtypes.u16", x.astype(ml_dtypes.bfloat16).view(np.uint16))
    save("bfloat16.torch.u16", torch.from_numpy(x.copy()).to(torch.bfloat16).view(torch.int16).numpy().view(np.uint16))
    save("float16.numpy.u16", x.astype(np.float16).view(np.uint16))
print("numpy", np.__version__, "ml_dtypes", ml_dtypes.__version__, "torch", torch.__version__)
