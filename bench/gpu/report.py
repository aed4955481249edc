"""The table and the JSON of a run, and whether the targets were met. Where nothing was timed, nothing is said to be met."""
import json

EAGER = ("torch", "addmm")


def _least(times, names):
    found = [times[name] for name in names if times.get(name) is not None]
    return min(found) if found else None


def ratio(a, b):
    return None if a is None or b is None else a / b


def row_of(case, region, layers, shape, errors, skipped, timed=None):
    """One row: times in milliseconds by name, empty where nothing was timed."""
    row = {
        "case": case.name, "region": region, "layers": layers, "in": shape[0], "out": shape[1], "rank": case.rank,
        "tokens": case.tokens, "dtype": case.kind, "purpose": case.purpose, "form": case.form, "blocks": case.blocks,
        "errors": errors, "skipped": skipped | (timed.why if timed else {}), "forward": timed.forward if timed else {},
        "step": timed.step if timed else {}, "spread": timed.spread if timed else {},
        "kernels": timed.kernels if timed else {}, "ratios": {},
    }
    for part in ("forward", "step"):
        times = row[part]
        if "lotrc" in times:
            row["ratios"][part] = {"over base": ratio(times["lotrc"], times.get("base"))} | {
                f"{name} / lotrc": ratio(times[name], times["lotrc"]) for name in times if name not in ("lotrc", "base")
            }
    return row


def _fastest_form(rows, row):
    """Of the forms that were tried for the same layers, the one that counts."""
    alike = lambda one: [one[key] for key in ("in", "out", "layers", "rank", "tokens", "dtype", "purpose", "region")]
    same = [one for one in rows if alike(one) == alike(row)]
    return min(same, key=lambda one: one["forward"].get("lotrc", float("inf")))


def targets(rows):
    """What the project set out to reach, for every row that it is about. `met` is None where nothing was timed."""
    found = []

    def judge(text, row, value, limit, at_most=True):
        met = None if value is None else value <= limit if at_most else value >= limit
        found.append({"target": text, "case": row["case"], "value": value, "limit": limit, "met": met})

    for row in rows:
        if (row["in"], set(row["out"])) != (4096, {4096}) or row["region"] == "all":
            continue
        over = ratio(row["forward"].get("lotrc"), row["forward"].get("base"))
        over = None if over is None else over - 1
        if row["tokens"] >= 1024 and row["layers"] > 1 and row["rank"] <= 32 and row["purpose"] == "train":
            judge("forward over the base product, x R shared, M >= 1024: at most 5 %", row, over, 0.05)
            judge("forward over the base product, x R shared, M >= 1024: at most 3 %", row, over, 0.03)
        if row["tokens"] <= 32 and row["rank"] <= 16 and row["purpose"] == "serve" and row is _fastest_form(rows, row):
            judge("forward over the base product, M <= 32, rank <= 16: at most 3 %", row, over, 0.03)
        if row["tokens"] >= 1024 and row["purpose"] == "train":
            gain = ratio(_least(row["step"], EAGER), row["step"].get("module"))
            judge("forward and backward against the faster eager form of PyTorch: at least 1.25 x", row, gain, 1.25, False)
    return found


def _time(value):
    return "-" if value is None else f"{value * 1000:.1f}"


def _markdown(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def table(rows, part):
    """Microseconds of each row; what lotrc takes over the base product, and how many times longer each peer takes."""
    names = []
    for row in rows:
        names += [name for name in (*row["errors"], *row[part]) if name not in (*names, "base", "lotrc")]
    lines = []
    for row in rows:
        times = row[part]
        over = ratio(times.get("lotrc"), times.get("base"))
        cells = [row["case"], row["region"], row["layers"], f"{row['in']} x {'+'.join(map(str, row['out']))}", row["tokens"],
                 f"{row['errors']['lotrc']:.1e}", _time(times.get("base")), _time(times.get("lotrc")),
                 "-" if over is None else f"{(over - 1) * 100:+.1f} %"]
        for name in names:
            by = ratio(times.get(name), times.get("lotrc"))
            cells.append(_time(times.get(name)) + ("" if by is None else f" ({by:.2f} x)"))
        lines.append(cells)
    return _markdown(["case", "region", "layers", "in x out", "M", "error", "base us", "lotrc us", "over base", *names], lines)


def text(rows, machine):
    timed = any(row["forward"] for row in rows)
    parts = [f"device: {machine['device']}, driver {machine['driver']}, CUDA {machine['cuda']}, PyTorch {machine['torch']}"]
    if not timed:
        parts.append("Nothing was timed: this run checks only.")
    parts += ["", "forward", "", table(rows, "forward")]
    training = [row for row in rows if row["purpose"] == "train"]
    if training:
        parts += ["", "forward and backward", "", table(training, "step")]
    why = {f"{name}: {reason}" for row in rows for name, reason in row["skipped"].items()}
    parts += ["", *sorted(f"not timed: {line}" for line in why)] if why else []
    judged = targets(rows)
    if judged:
        said = {True: "met", False: "missed", None: "not timed"}
        shown = lambda t: "-" if t["value"] is None else f"{t['value'] * 100:+.1f} %" if t["limit"] < 1 else f"{t['value']:.2f} x"
        lines = [[t["target"], t["case"], shown(t), said[t["met"]]] for t in judged]
        parts += ["", "targets", "", _markdown(["target", "case", "found", ""], lines)]
    return "\n".join(parts)


def write_json(path, rows, machine):
    data = {"version": 1, "machine": machine, "unit": "ms", "rows": rows, "targets": targets(rows)}
    path.write_text(json.dumps(data, indent=1) + "\n")
