"""The linear layer, a model, a short training run, and error mapping."""

import json

import numpy as np
import pytest

import sylvester as sy


def expected(folder):
    facts = json.loads((folder / "expected.json").read_text())
    return facts


@pytest.mark.parametrize("recipe", ["fp32", "halo0-int8", "halo1-fp8", "halo2-int8"])
def test_halo_linear_is_near_the_plain_product(recipe):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 32, 64)).astype(np.float32)
    w = rng.standard_normal((48, 64)).astype(np.float32)
    dy = rng.standard_normal((2, 32, 48)).astype(np.float32)
    y, ctx = sy.halo_linear(x, w, recipe=recipe)
    dx, dw = ctx.backward(dy)
    for got, want in ((y, x @ w.T), (dx, dy @ w),
                      (dw, dy.reshape(-1, 48).T @ x.reshape(-1, 64))):
        error = np.linalg.norm(got - want) / np.linalg.norm(want)
        assert error < (1e-6 if recipe == "fp32" else 0.08), (recipe, error)
        assert recipe == "fp32" or error > 1e-4  # it did quantize


def test_tiny_llama_logits_and_gradients(golden_folder):
    folder = golden_folder / "tiny_llama"
    facts = expected(folder)
    model = sy.load_model(folder)
    ids = np.array(facts["input_ids"])
    logits = model.logits(ids)
    assert logits.shape == (*ids.shape, model.config["vocab_size"])
    loss, grads = model.loss_and_grads(ids, np.array(facts["labels"]))
    assert loss == pytest.approx(facts["loss"], abs=1e-5)
    assert set(grads) == set(model.parameter_names)


def test_format_error_carries_file_offset_field(tmp_path):
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(b"\x01" * 7)
    with pytest.raises(sy.FormatError) as error:
        sy.load_model(bad)
    assert isinstance(error.value, ValueError) and error.value.file.endswith("bad.safetensors")
    assert sy.validate(bad)
    with pytest.raises(OSError):
        sy.load_model(tmp_path / "absent")


def test_ids_outside_the_vocabulary_are_refused(golden_folder):
    model = sy.load_model(golden_folder / "tiny_llama")
    with pytest.raises(ValueError):
        model.logits(np.array([[0, 80]]))
    with pytest.raises(ValueError):
        model.logits(np.array([[-1]]))


def test_text_goes_there_and_back_and_is_continued():
    model = sy.load_model("tiny-sql")
    text = "How many packages are in section admin? \u00e9"
    ids = model.encode(text)
    assert model.decode(ids) == text
    assert "\ufffd" in model.decode(ids[:-1]) or model.decode(ids[:-1]) == text[:-1]
    assert isinstance(model.generate("Question", max_new_tokens=4), str)


def test_train_runs_and_reports(tmp_path):
    data = tmp_path / "data.jsonl"
    data.write_text("".join(json.dumps({"prompt": f"a{i}", "completion": f" b{i}"}) + "\n"
                            for i in range(8)))
    seen = []
    run = sy.train(model="tiny-sql", data=data, recipe="halo2-int8", max_steps=2,
                   per_device_train_batch_size=2, logging_steps=1, out=tmp_path / "run",
                   callbacks=[seen.append])
    losses = [r["loss"] for r in run.metrics if r["split"] == "train"]
    assert len(losses) == 2 and len(seen) >= 2 and losses[0] > 0
