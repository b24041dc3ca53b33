"""python -m sylvester.report RUN... --out report.html

One self-contained page from run folders: loss curves, evaluation, the recipe table and the
per-layer plots of `sylvester analyze`. Needs Matplotlib and nothing else of this package.
"""

from __future__ import annotations

import argparse
import base64
import html
import io
import json
import math
import sys
from pathlib import Path

# Colour-blind safe (Okabe and Ito), in the order the recipes appear.
COLOURS = ["#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#999933"]


def number(value):
    """A JSON figure as float; non-finite ones are stored as strings."""
    if value is None:
        return math.nan
    return float(value)


class Run:
    """One run folder, every file of it optional."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.config = self._json("config.json") or {}
        self.results = self._json("results.json") or {}
        self.analysis = self._json("analyze.json")
        self.metrics = self._metrics()
        self.name = self.config.get("recipe") or folder.name

    def _json(self, name):
        path = self.folder / name
        if not path.is_file():
            return None
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, OSError) as error:
            raise SystemExit(f"report: {path}: {error}")

    def _metrics(self):
        """{split: {step: record}}; after a resume a later line replaces an earlier one."""
        out = {}
        path = self.folder / "metrics.jsonl"
        if not path.is_file():
            return out
        for index, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
            except ValueError as error:
                raise SystemExit(f"report: {path}:{index}: {error}")
            if "step" in record:
                out.setdefault(record.get("split", "train"), {})[record["step"]] = record
        return out

    def curve(self, split, key):
        rows = sorted(self.metrics.get(split, {}).items())
        points = [(step, number(row[key])) for step, row in rows if key in row]
        return [p[0] for p in points], [p[1] for p in points]


def figure(plt, draw, width=7.2, height=3.6):
    """The picture of draw(axes) as an <img> with its data inside."""
    fig, axes = plt.subplots(figsize=(width, height), constrained_layout=True)
    draw(axes)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.grid(True, alpha=0.25, linewidth=0.6)
    out = io.BytesIO()
    fig.savefig(out, format="svg")
    plt.close(fig)
    data = base64.b64encode(out.getvalue()).decode("ascii")
    return f'<img src="data:image/svg+xml;base64,{data}" alt="">'


def loss_section(plt, runs):
    trained = [run for run in runs if run.metrics.get("train")]
    if not trained:
        return ""

    def draw(axes):
        for index, run in enumerate(trained):
            colour = COLOURS[index % len(COLOURS)]
            axes.plot(*run.curve("train", "loss"), color=colour, linewidth=1.6, label=run.name)
            steps, losses = run.curve("eval", "loss")
            if steps:
                axes.plot(steps, losses, "o", color=colour, markersize=5, markerfacecolor="white")
        axes.set_xlabel("step")
        axes.set_ylabel("loss (nats a token)")
        axes.legend(frameon=False)

    rows = []
    for run in trained:
        _, train = run.curve("train", "loss")
        _, evals = run.curve("eval", "loss")
        steps, seconds = run.curve("train", "wall_s")
        pace = seconds[-1] / steps[-1] if steps and steps[-1] else math.nan
        rows.append([run.name, cell(train[0]), cell(train[-1]), cell(evals[-1] if evals else None),
                     cell(pace, "{:.2f}")])
    return ("<h2>Training</h2>" + figure(plt, draw) +
            "<p>Lines: training loss. Circles: loss on the evaluation set.</p>" +
            table(["recipe", "first loss", "last loss", "evaluation loss", "seconds a step"], rows))


def results_section(runs):
    rows = []
    for run in runs:
        for task, figures in (run.results.get("results") or {}).items():
            for key, value in figures.items():
                if isinstance(value, (int, float)) and "stderr" not in key:
                    error = figures.get(stderr_key(key))
                    rows.append([run.name, task, key, cell(value),
                                 cell(error) if error is not None else ""])
    return "<h2>Scores</h2>" + table(["recipe", "task", "figure", "value", "standard error"],
                                     rows) if rows else ""


def stderr_key(key):
    """lm-eval's name of a figure's standard error: "acc,none" -> "acc_stderr,none"."""
    name, comma, rest = key.partition(",")
    return name + "_stderr" + comma + rest


def analysis_section(plt, run):
    analysis = run.analysis
    recipes = analysis.get("recipes", [])
    rows = [["fp32", cell(analysis.get("fp32", {}).get("loss")),
             cell(analysis.get("fp32", {}).get("perplexity")), "1"]]
    rows += [[r["recipe"], cell(r.get("loss")), cell(r.get("perplexity")),
              cell(r.get("gradient_cosine"))] for r in recipes]
    parts = [f"<h2>What each recipe costs: {html.escape(str(analysis.get('model', '')))}</h2>",
             f"<p>{analysis.get('tokens', '?')} tokens of {html.escape(str(analysis.get('data', '')))}. "
             "Cosine: between the gradient of all block weights under the recipe and the float32 one.</p>",
             table(["recipe", "loss", "perplexity", "gradient cosine"], rows)]
    if any("gradient_cosine" in r for r in recipes):
        parts.append(figure(plt, lambda axes: draw_cosines(axes, recipes)))
    for key, label in (("gradient_cosine", "gradient cosine to float32"),
                       ("x_sqnr_db", "SQNR of X (dB)"), ("e_sqnr_db", "SQNR of E (dB)"),
                       ("x_crest", "crest factor of X (max / rms)")):
        if any(key in layer for r in recipes for layer in r.get("layers", [])):
            parts.append(f"<h3>By layer: {label}</h3>")
            parts.append(figure(plt, lambda axes, k=key, l=label: draw_layers(axes, recipes, k, l)))
    return "".join(parts)


def draw_cosines(axes, recipes):
    shown = [r for r in recipes if "gradient_cosine" in r]
    values = [max(0.0, number(r["gradient_cosine"])) for r in shown]
    axes.barh(range(len(shown)), values, color="#0072B2")
    axes.set_yticks(range(len(shown)), [r["recipe"] for r in shown])
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xlabel("gradient cosine to float32")


def draw_layers(axes, recipes, key, label):
    for index, recipe in enumerate(recipes):
        values = [number(layer.get(key)) for layer in recipe.get("layers", [])]
        if any(math.isfinite(v) for v in values):
            axes.plot(values, color=COLOURS[index % len(COLOURS)], linewidth=1.0,
                      label=recipe["recipe"])
    axes.set_xlabel("linear layer, in the order of the forward pass")
    axes.set_ylabel(label)
    if "crest" in key:
        axes.set_yscale("log")
    axes.legend(frameon=False, fontsize=7, ncols=2)


def cell(value, form="{:.4g}"):
    value = number(value)
    return "" if math.isnan(value) else form.format(value)


def table(head, rows):
    def row(cells, tag):
        return "<tr>" + "".join(f"<{tag}>{html.escape(str(c))}</{tag}>" for c in cells) + "</tr>"

    return "<table>" + row(head, "th") + "".join(row(r, "td") for r in rows) + "</table>"


STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 56rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; margin: 1rem 0 } th, td { padding: .2rem .9rem .2rem 0; text-align: right }
th { border-bottom: 1px solid #222 } th:first-child, td:first-child { text-align: left }
img { max-width: 100% } details { margin: 1rem 0 } pre { background: #f4f4f4; padding: .6rem; overflow-x: auto }
"""


def build(runs):
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "sylvester"  # the same page from the same run
    import matplotlib.pyplot as plt

    parts = [loss_section(plt, runs), results_section(runs)]
    parts = [analysis_section(plt, run) for run in runs if run.analysis] + parts
    for run in runs:
        text = html.escape(json.dumps(run.config, indent=1, sort_keys=True))
        parts.append(f"<details><summary>{html.escape(run.folder.name)}: configuration</summary>"
                     f"<pre>{text}</pre></details>")
    return ("<!doctype html><html lang=en><meta charset=utf-8><title>Sylvester report</title>"
            f"<style>{STYLE}</style><h1>Sylvester report</h1>{''.join(parts)}</html>\n")


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m sylvester.report", description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run folders")
    parser.add_argument("--out", type=Path, default=Path("report.html"))
    options = parser.parse_args(arguments)
    for folder in options.runs:
        if not folder.is_dir():
            print(f"report: {folder}: no such folder", file=sys.stderr)
            return 4
    page = build([Run(folder) for folder in options.runs])
    options.out.write_text(page, encoding="utf-8")
    print(options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
