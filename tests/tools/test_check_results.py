"""Every number has its evidence, or it is named: by what a person may change in the catalog, a record, a method or what methods share."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator

from implementations.__main__ import implemented
from implementations.ablations.api_net import UniformGates
from implementations.common import cli, finches, fingerprint, harness, picture, records
from implementations.common.data import Data, Split
from implementations.common.errors import Fault
from implementations.common.method import Method
from implementations.common.recording import Told, record_of
from implementations.common.run import method_of, recipe_for
from implementations.common.train import Settings, Trainer
from implementations.common.weights import Source
from implementations.rams_trans import RAMSTrans
from implementations.transfg import TransFG
from tests import forked
from tests.implementations import small_run
from tests.implementations.test_trials import trial
from tests.implementations.tiny import FOUR
from tests.run_records import FINCHES, on_finches, record
from tools import check_results, recheck, rerun, verdicts
from tools.catalog import ROOT, load
from tools.pages.records import Runs
from tools.protocols import differences, facts, facts_of_record
from tools.verdicts import FINDINGS, MEANINGS

SEED0 = "implementations/records/api-net/synthetic-finches-demo-finch_resnet-seed0.json"
API_NET, COMMON = "implementations/api_net.py", "implementations/common"
HARNESS = "implementations/records/harness.json"


def untrained(root: Path, kind: type[Method], backbone: str, variant_file: str | None = None) -> Path:
    """Writes a record of a method's demo before its first step, on 32 random images: all that the check reads is in it."""
    pixels = torch.randint(0, 256, (32, 3, 96, 96), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    split = Split([index // 8 for index in range(32)], pixels.__getitem__, torch.tensor([[8.0, 8.0, 24.0, 24.0]] * 32))
    recipe = recipe_for(kind, profile="demo", backbone=backbone, changes=[], folder=False)
    method, loaded = kind.from_recipe(recipe, FOUR, Source(), seed=0)
    trainer = Trainer(method, Data("synthetic-finches", FOUR, split, split, split, "0" * 32), Accelerator(cpu=True), Settings(seed=0))
    made, images = record_of(trainer, loaded, Told(profile="demo", threads=1, trials=[], changes=[], variant_file=variant_file))
    path = root / "implementations" / "records" / kind.paper / records.file_name(made)
    path.parent.mkdir(parents=True)
    path.write_text(records.to_text(made), encoding="utf-8")
    picture.write(path.with_suffix(".webp"), picture.draw(made.evidence, images, FOUR))
    return path


@pytest.fixture(scope="module")
def evidence(tmp_path_factory) -> Path:
    """A root with what the code of today leaves as evidence: a record of API-Net, trials, and what the harness does."""
    root = tmp_path_factory.mktemp("evidence")
    assert untrained(root, method_of("api-net"), "finch_resnet") == root / SEED0
    made = records.read(root / SEED0)
    for paper in ("api-net", "baseline"):
        tries = [(0.5, made.recipe), *((0.4, made.recipe | {"lr": made.recipe["lr"] * factor}) for factor in (0.5, 2.0))]
        common = {"change": "lr", "variant": None, "profile": "demo", "dataset": made.dataset, "backbone": made.backbone, "seed": 0}
        log = [records.Trial(**common, recipe=recipe, validation_top1=top1).model_dump_json() for top1, recipe in tries]
        (root / "implementations" / "records" / paper).mkdir(exist_ok=True)
        (root / "implementations" / "records" / paper / records.TRIALS).write_text("\n".join(log) + "\n", encoding="utf-8")
    harness.keep(root / HARNESS, harness.compute())
    return root


def copy(root: Path, evidence: Path) -> Path:
    """A repository with two methods and the baseline, one paper's entry, and one record of it."""
    others = [f"{paper.replace('-', '_')}.py" for paper in implemented() if paper not in ("api-net", "baseline", "transfg")]
    for folder in ("implementations", "tools"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("records", "__pycache__", *others))
    shutil.copytree(ROOT / "catalog", root / "catalog", ignore=lambda folder, names: {name for name in names if folder.endswith("papers") and name != "api-net.yaml"})
    shutil.copy(ROOT / "catalog.yaml", root)
    shutil.copytree(evidence, root, dirs_exist_ok=True)
    return root


def replaced(root: Path, file: str, old: str, new: str) -> None:
    path = root / file
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{file} has no {old!r}"
    path.write_text(text.replace(old, new), encoding="utf-8")


def check(root: Path) -> tuple[int, str]:
    return forked.run(root, "tools.check_results", "--format", "github")


# ------------------------------------------------------------------------------------------------------------ changed code

RENAMED = [
    (API_NET, "own, other = (mutual", "# The gates.\n    own, other = (mutual"),
    (API_NET, "by_own", "under_own"),
    (API_NET, "self.mutual", "self.pairwise"),
    (f"{COMMON}/schedules.py", "self.by_epoch", "(self.by_epoch)"),
]
"""A comment, a variable, a module and a way to write the same."""

CODE = {
    "settings, and the schedule's last value": [
        ((API_NET, '"margin": 0.2,', '"margin": 0.21,'), ["recipe.margin: 0.2 then, 0.21 now"]),
        ((f"{COMMON}/recipes.py", '"weight_decay": 0.05,', '"weight_decay": 0.050002,'), ["recipe.weight_decay: 0.05 then, 0.050002 now", "fingerprint.exact.groups[0].weight_decay"]),
        ((f"{COMMON}/schedules.py", "max(1, total - warmup))) / 2", "max(1, total - warmup + (step == total - 1)))) / 2"), ["fingerprint.exact.schedule[9]"]),
    ],
    "a hidden setting, and the test pass": [
        ((f"{COMMON}/train.py", '{"weight_decay": recipe.weight_decay,', '{"weight_decay": recipe.weight_decay + 2e-6,'), ["fingerprint.exact.groups[0].weight_decay"]),
        ((f"{COMMON}/evaluate.py", "mine.append(method(images).argmax(1))", "mine.append(method(images).argmin(1))"), ["harness.exact.predictions[0]"]),
    ],
    "batches, transforms, and drawn images": [
        ((f"{COMMON}/sampling.py", "rng.sample(sorted(of_class), min(classes, len(of_class)))", "sorted(of_class)[:classes]"), ["fingerprint.exact.batches"]),
        ((f"{COMMON}/data.py", 'seed_torch(self.seed, "sample", epoch, index)', 'seed_torch(self.seed, "sample", epoch, index + 1)'), ["fingerprint.exact.transforms[0]"]),
        ((f"{COMMON}/finches.py", "number, sibling, index), spec.side)", "number, sibling, index + (spec.split == 'test')), spec.side)"), ["harness.exact.drawn.test"]),
    ],
    "initial weights, and where evidence points": [
        ((API_NET, "self.classifier = nn.Linear(width, len(classes))", "self.classifier = nn.Linear(width, len(classes))\n        nn.init.zeros_(self.classifier.bias)"), ["fingerprint.exact.drawn"]),
        ((f"{COMMON}/evaluate.py", "x, y = points", "y, x = points"), ["harness.computed.pointing.input gradient"]),
    ],
    "the method's code, and the input gradient": [
        ((API_NET, "first + own * first,", "first + own * own * first,"), ["fingerprint.computed.losses[0].terms.cross-entropy"]),
        ((f"{COMMON}/evaluate.py", "gradient.abs()", "gradient.relu()"), ["harness.computed.pointing.input gradient"]),
    ],
    "what it looks at, and the guesses": [
        ((API_NET, "return class_activation_map", "return 2 * class_activation_map"), ["fingerprint.computed.maps.evidence.mean"]),
        ((f"{COMMON}/evaluate.py", "down.T @ across).flatten().argmax()", "down.T @ across).flatten().argmin()"), ["harness.computed.blind.one fixed point: ", "harness.computed.blind.one fixed point per family: "]),
    ],
    "a shared module's behaviour": [
        ((f"{COMMON}/train.py", "self.method.parameters(), self.method.recipe.clip)", "self.method.parameters(), 2 * self.method.recipe.clip)"), ["fingerprint.computed.losses"]),
    ],
    "the mode that the network is trained in": [
        ((f"{COMMON}/train.py", "self.method.train()", "self.method.eval()"), ["harness.computed.weights"]),
    ],
}  # fmt: skip
"""Changes that show in different places, each with what is said of it: a check of all of them takes as long as of one."""


@pytest.mark.parametrize("name", CODE)
def test_every_change_of_what_the_code_computes_is_named(tmp_path, evidence, name):
    root = copy(tmp_path / "repository", evidence)
    for change, _ in CODE[name]:
        replaced(root, *change)
    code, said = check(root)
    assert code == 1, said
    assert f"::error file={SEED0},line=1::{SEED0}: stale: " in said
    for message in (message for _, messages in CODE[name] for message in messages):
        assert message in said


def test_of_code_that_computes_the_same_otherwise_nothing_is_said(tmp_path, evidence):
    root = copy(tmp_path / "repository", evidence)
    for change in RENAMED:
        replaced(root, *change)
    code, said = check(root)
    assert code == 0, said
    assert "::error" not in said


def test_a_record_is_held_against_what_the_code_computes_from_the_weights_that_its_own_cpu_drew(tmp_path, monkeypatch):
    made, given = records.read(untrained(tmp_path, UniformGates, "finch_resnet", "implementations/ablations/api_net.py")), []
    monkeypatch.setattr(fingerprint, "of", lambda method, recipe, drawn: given.append(drawn))
    recheck._now(made, ROOT)
    assert given == [made.fingerprint["exact"]["drawn"]]


def test_an_ablations_record_is_held_against_the_class_of_its_file(tmp_path):
    file = "implementations/ablations/api_net.py"
    made = records.read(untrained(tmp_path, UniformGates, "finch_resnet", file))
    assert recheck._compared(made, recheck._now(made, ROOT)) == ([], None)
    (tmp_path / "implementations" / "ablations").mkdir()
    shutil.copy(ROOT / file, tmp_path / file)
    replaced(tmp_path, file, "return torch.zeros(", "return torch.ones(")
    findings, _ = recheck._compared(made, recheck._now(made, tmp_path))
    assert any("fingerprint.computed.losses" in finding.message for finding in findings)


# --------------------------------------------------------------------------------------------- changed records and catalog

KNOWN = next(iter(finches.KNOWN))
"""Numbers of training, validation and test images whose pixels are known."""


def of_known_images(fingerprint: str) -> records.Record:
    """A record of as many images, which says that they have these pixels."""
    train, validation, test = KNOWN
    one = record([0] * test, [0] * test)
    return one.model_copy(update={"dataset": one.dataset.model_copy(update={"train": train, "validation": validation, "fingerprint": fingerprint})})


RECORD = {
    "accuracy": (lambda data: data["outcome"].update(top1=0.9), "contradicts itself: top-1 is 0.900000, but"),
    "predictions": (lambda data: data["outcome"].update(predictions=records.encode([1] * 8 + [0] * 24)), "but 0 of its 32 predictions are right"),
    "interval": (lambda data: data["outcome"].update(interval=[0.7, 0.9]), "the interval (0.7, 0.9) isn't that of"),
    "pointing": (lambda data: data["outcome"]["pointing"]["evidence"].update(share=0.9), "contradicts itself: pointing of 'evidence' is 0.900000, but by its hits 0."),
    "guess": (lambda data: data["outcome"]["blind"][records.FIXED_POINT_PER_FAMILY].update(share=0.01), f"contradicts itself: pointing of {records.FIXED_POINT_PER_FAMILY!r} is 0.010000, but by its hits 1."),
    "dataset": (lambda data: data.update(of_known_images("0" * 32).model_dump(include={"dataset", "outcome", "labels"})), f"stale: dataset.fingerprint: {'0' * 32} then, {finches.KNOWN[KNOWN]} now"),
    "seed": (lambda data: data.update(seed=7), "its seal isn't that of its content"),
    "claim": (lambda data: data["claim"].update(value=99.9), "stale: claim: {'dataset': 'cub-200-2011', 'metric': 'top-1', 'value': 99.9,"),
    "test pass": (lambda data: data.update(test_time=["flip"]), "stale: test_time: ['flip'] then, [] now"),
    "weights": (lambda data: data["backbone"].update(sha256="0" * 64), "stale: backbone.sha256: 0000000000000000… then"),
    "variant": (lambda data: data.update(variant="Gone", variant_file="implementations/ablations/api_net.py"), "stale: the code can't do such a run any more: "),
}  # fmt: skip


@pytest.fixture(scope="module")
def broken_records(tmp_path_factory, evidence) -> str:
    """What the command says where each record is broken in one way, and the catalog's value and a paper's own recipe are others."""
    root = copy(tmp_path_factory.mktemp("broken") / "repository", evidence)
    for name, (change, _) in RECORD.items():
        data = json.loads((root / SEED0).read_text(encoding="utf-8"))
        change(data)
        (root / SEED0).with_name(f"{name}.json").write_text(json.dumps(data), encoding="utf-8")
    entry = root / "catalog" / "papers" / "api-net.yaml"
    entry.write_text(entry.read_text(encoding="utf-8").replace("value: 90.0", "value: 90.1"), encoding="utf-8")
    replaced(root, "implementations/transfg.py", "lr=3e-2,  # C", "lr=3e-1,  # C")
    replaced(root, "implementations/transfg.py", 'paper = "transfg"\n', 'paper = "transfg"\n    test_time = ("multi-crops",)\n')
    code, said = check(root)
    assert code == 1
    return said


@pytest.mark.parametrize("name", RECORD)
def test_a_changed_record_is_named_with_what_is_wrong(broken_records, name):
    lines = [line for line in broken_records.splitlines() if f"/{name}.json,line=1::" in line]
    assert any(RECORD[name][1] in line for line in lines), lines


def test_another_value_in_the_catalog_than_in_the_file_is_named(broken_records):
    assert f"::error file={API_NET},line=1::{API_NET}: its claim isn't the catalog's: value: 90.0 in the file, 90.1 in the catalog" in broken_records


def test_a_papers_own_recipe_changed_tenfold_is_named_with_both_values_and_so_is_an_unknown_test_pass(broken_records):
    file = "implementations/transfg.py"
    assert f"::error file={file},line=1::{file}: paper profile: lr: 0.03 was confirmed, 0.3 now; python -m tools.check_results --confirm transfg" in broken_records
    assert f"::error file={file},line=1::{file}: test pass: 'multi-crops' is no test-time trick of catalog.yaml; did you mean \"multi-crop\"?" in broken_records
    assert broken_records.count("paper profile: ") == broken_records.count("test pass: ") == 1


def test_images_whose_pixels_are_known_have_these():
    assert recheck._images(of_known_images(finches.KNOWN[KNOWN])) == []
    assert recheck._images(of_known_images("0" * 32)) != []


def test_a_stale_papers_verdict_tells_the_kind_of_what_was_found():
    state = verdicts.RecordState("f", "api-net", [verdicts.Finding("trials changed", "2 were made before it")])
    found = check_results._verdict(load(ROOT)[0], "api-net", Runs(records={"api-net": [(Path("x"), on_cub(0, 0.9))]}), {"f": state}, None)
    assert (found.verdict, found.reason) == ("stale", "1 of its records: trials changed: 2 were made before it")


def test_a_note_may_be_added_to_a_record_later(evidence):
    made = records.read(evidence / SEED0)
    assert verdicts.contradictions(made) == []
    assert verdicts.contradictions(made.model_copy(update={"note": "found out later"})) == []


def test_a_field_that_only_one_side_claims_is_a_difference():
    assert recheck.undeclared("api-net", {"dataset": "cub-200-2011", "metric": "top-1", "value": 90.0}) == "backbone: densenet-161 in the file, nothing in the catalog"


# --------------------------------------------------------------------------------------------------------------- the verdict


ON_CUB = {"name": "cub-200-2011", "fingerprint": "c" * 32, "classes": 200, "train": 5994, "validation": 0, "test": 5794}
DENSENET = {"name": "densenet161.tv_in1k", "weights": "timm/densenet161.tv_in1k/model.safetensors", "sha256": "d" * 64}


def on_cub(seed: int, top1: float, *, input_size: int = 448, **backbone) -> records.Record:
    """A run of API-Net as its paper made it, that was right on this share of the test images of CUB-200-2011."""
    labels = [index % 200 for index in range(5794)]
    guesses = [label if index < top1 * 5794 else (label + 1) % 200 for index, label in enumerate(labels)]
    fields = {"paper": "api-net", "seed": seed, "profile": "paper", "dataset": ON_CUB, "backbone": DENSENET | backbone, "recipe": {"input_size": input_size}}
    return record(labels, guesses, **fields, outcome={"top1": top1})


@pytest.mark.parametrize(
    ("runs", "verdict", "reason"),
    [
        ([], "unmeasured", "no run of it is recorded"),
        ([on_cub(0, 0.898), on_cub(1, 0.901), on_cub(2, 0.902)], "match", "3 runs of equal protocol (89.8, 90.1, 90.2): 95% of further ones lie from"),
        ([on_cub(0, 0.850), on_cub(1, 0.851), on_cub(2, 0.852)], "below", "3 runs of equal protocol"),
        ([on_cub(0, 0.950), on_cub(1, 0.951), on_cub(2, 0.952)], "above", "3 runs of equal protocol"),
        ([on_cub(0, 0.900, input_size=224)], "not comparable", "claimed / run: input size: 448 / 224"),
        ([on_cub(0, 0.900, weights="file mine.safetensors")], "not comparable", "claimed / run: pretraining: imagenet-1k / not stated"),
        ([on_cub(0, 0.900, weights="random initialisation")], "not comparable", "claimed / run: pretraining: imagenet-1k / none"),
    ],
)
def test_the_verdict_follows_from_runs_of_equal_protocol(runs, verdict, reason):
    catalog, _ = load(ROOT)
    entry = catalog.papers["api-net"]
    known = {"split": "test", "pretraining": "imagenet-1k", "input_size": 448, "extra": [], "test_time": []}
    claimed = next(result for result in entry.results if result.value == 90.0).model_copy(update=known)
    catalog.papers["api-net"] = entry.model_copy(update={"results": [claimed]})
    found = check_results._verdict(catalog, "api-net", Runs(records={"api-net": [(Path("x"), one) for one in runs]}), {}, None)
    assert found.verdict == verdict
    assert found.reason.startswith(reason)


@pytest.mark.parametrize(("stated", "apart"), [(["multi-crop"], []), ([], ["test time: none / multi-crop"]), (["multi-crop", "flip"], ["test time: multi-crop, flip / multi-crop"]), (None, ["test time: not stated / multi-crop"])])
def test_a_method_that_declares_two_looks_is_of_equal_protocol_with_a_claim_that_states_them_and_no_other(stated, apart):
    catalog, _ = load(ROOT)
    known = {"split": "test", "pretraining": "imagenet-1k", "input_size": 448, "extra": [], "test_time": stated}
    claim = next(result for result in catalog.papers["api-net"].results if result.value == 90.0).model_copy(update=known)
    run = facts_of_record(on_cub(0, 0.9).model_copy(update={"test_time": list(RAMSTrans.test_time)}), catalog.manifest, catalog.datasets)
    assert [str(one) for one in differences(facts(claim), run)] == apart


@pytest.mark.parametrize("verdict", MEANINGS | FINDINGS)
def test_every_verdict_and_finding_is_explained(capsys, verdict):
    assert check_results.main(["--explain", verdict]) == 0
    assert capsys.readouterr().out.startswith(f"{verdict}\n")


def test_an_unknown_verdict_or_paper_is_wrong_usage_and_the_nearest_is_named(tmp_path, evidence, capsys):
    assert check_results.main(["--explain", "stail"]) == 2
    assert 'no verdict or finding "stail"; did you mean "stale"?' in capsys.readouterr().err
    root = copy(tmp_path / "repository", evidence)
    assert check_results.main(["--root", str(root), "--rerun", "api-nets"]) == 2
    assert "no records of 'api-nets'; did you mean \"api-net\"?" in capsys.readouterr().err


def test_before_a_run_is_recorded_there_is_nothing_to_hold_and_the_claims_are_unmeasured(tmp_path, evidence, capsys):
    root = copy(tmp_path / "repository", evidence)
    shutil.rmtree((root / SEED0).parent)
    assert check_results.main(["--root", str(root)]) == 0
    assert capsys.readouterr().out == "api-net: unmeasured: no run of it is recorded\n0 of 0 records are what the code computes today.\n"
    assert check_results.main(["--root", str(root), "--rerun"]) == 0
    assert capsys.readouterr().out == "nothing to run again\n"
    assert check_results.main(["--root", str(root), "--refresh", "api-net"]) == 2
    assert "no records of 'api-net'; no run is recorded yet" in capsys.readouterr().err


def test_verdicts_are_read_back_only_for_what_they_were_found_from(tmp_path):
    finding = verdicts.Finding("stale", "x")
    found = verdicts.Verdicts("k", {"p": verdicts.PaperVerdict("p", "stale", "why")}, {"f": verdicts.RecordState("f", "p", [finding])}, {"p": [finding]})
    path = tmp_path / "verdicts.json"
    assert verdicts.read(path, "k") is None
    path.write_text(verdicts.to_json(found), encoding="utf-8")
    assert verdicts.read(path, "k") == found
    assert verdicts.read(path, "other") is None
    path.write_text("{", encoding="utf-8")
    assert verdicts.read(path, "k") is None


def test_the_key_follows_code_records_and_claims(tmp_path, evidence):
    root = copy(tmp_path / "repository", evidence)
    before = verdicts.key_of(root)
    assert verdicts.key_of(root) == before
    files = (API_NET, "implementations/ablations/api_net.py", f"{COMMON}/vit.py", SEED0, HARNESS, "implementations/profiles/pmg.json", "implementations/records/baseline/trials.jsonl", "catalog/papers/api-net.yaml", "catalog/datasets/cub-200-2011.yaml", "implementations/weights/finch_vit.json")
    for file in files:
        (root / file).write_bytes((root / file).read_bytes() + b"\n")
        after = verdicts.key_of(root)
        assert after != before
        before = after
    (root / "README.md").touch()
    assert verdicts.key_of(root) == before


# ------------------------------------------------------------------------------------------------------ papers' own recipes


@pytest.fixture
def confirmed(tmp_path) -> Path:
    """A repository in which TransFG's paper profile was confirmed as it is."""
    shutil.copytree(ROOT / recheck.PROFILES, tmp_path / recheck.PROFILES)
    return tmp_path


def test_a_changed_recipe_is_named_until_it_is_confirmed_and_the_command_shows_both_values(confirmed, monkeypatch, capsys):
    assert recheck.declared("transfg", confirmed, ()) == []
    schedule = dataclasses.replace(TransFG.recipe.schedule, warmup=100)
    monkeypatch.setattr(TransFG, "recipe", dataclasses.replace(TransFG.recipe, lr=0.3, clip=None, schedule=schedule, train=TransFG.recipe.train[1:]))
    said = [finding.message for finding in recheck.declared("transfg", confirmed, ())]
    assert "lr: 0.03 was confirmed, 0.3 now; python -m tools.check_results --confirm transfg" in said
    assert any(one.startswith("clip: 1.0 was confirmed, None now") for one in said)
    assert any(one.startswith("schedule.warmup: 500 was confirmed, 100 now") for one in said)
    assert any(one.startswith("train[3].name: 'Normalize' was confirmed, nothing now") for one in said)
    assert check_results.main(["--confirm", "transfg", "--root", str(confirmed)]) == 0
    assert "transfg: lr: 0.03 was confirmed, 0.3 now\n" in capsys.readouterr().out
    assert recheck.declared("transfg", confirmed, ()) == []
    assert check_results.main(["--confirm", "transfg", "--root", str(confirmed)]) == 0
    assert capsys.readouterr().out == "nothing has changed\n"


def test_an_implementation_whose_recipe_isnt_kept_is_told_the_command_that_keeps_it(tmp_path, capsys):
    (found,) = recheck.declared("transfg", tmp_path, ())
    assert (found.kind, found.message) == ("paper profile", "it isn't kept yet; python -m tools.check_results --confirm transfg")
    assert check_results.main(["--confirm", "--root", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "transfg: lr: nothing was confirmed, 0.03 now" in said
    everything = sorted(path.stem for path in (ROOT / recheck.PROFILES).iterdir())
    *command, last = said.splitlines()[-1].partition("--confirm ")
    assert (command[0], sorted(last.split())) == ("nothing is kept yet; to keep what was meant: python -m tools.check_results ", everything)
    assert not (tmp_path / recheck.PROFILES).exists()
    assert check_results.main(["--confirm", *everything, "--root", str(tmp_path)]) == 0
    kept, here = ({path.name: path.read_text(encoding="utf-8") for path in (root / recheck.PROFILES).iterdir()} for root in (tmp_path, ROOT))
    assert kept == here


def test_a_profile_that_cant_be_read_is_named_with_what_to_do(confirmed):
    (confirmed / recheck.PROFILES / "transfg.json").write_text("{", encoding="utf-8")
    with pytest.raises(Fault, match=r"transfg.json: not a recipe: .*; remove it, and .* --confirm transfg keeps the present one"):
        recheck.declared("transfg", confirmed, ())


def test_only_an_implementation_can_be_confirmed(capsys):
    assert check_results.main(["--confirm", "transf"]) == 2
    assert "no implementation of 'transf'; did you mean \"transfg\"?" in capsys.readouterr().err


# ------------------------------------------------------------------------------------------------------- how it was tuned


def of_recipe(paper: str, *, changes: tuple[str, ...] = (), **recipe) -> records.Record:
    """A run of a paper on finches, of a trial's recipe and budget, changed."""
    one = trial(0.5, **recipe)
    fields = {"paper": paper, "variant": None, "changes": list(changes), "profile": one.profile, "recipe": one.recipe, "dataset": one.dataset, "backbone": one.backbone}
    return record([0], [0]).model_copy(update=fields)


AT_STRIDE = [trial(0.75, patch_stride=6), trial(0.7, lr=5e-3, patch_stride=6), trial(0.7, lr=2e-2, patch_stride=6)]
PLAIN = [trial(0.75), trial(0.7, lr=5e-3), trial(0.7, lr=2e-2)]


def tuned(runs: list[records.Record], **logs: list[records.Trial]) -> dict[str, list[str]]:
    """What is wrong with each paper's recipes."""
    of_paper = {paper: [run for run in runs if run.paper == paper] for paper in {run.paper for run in runs}}
    return {paper: [f"{finding.kind}: {finding.message}" for finding in found] for paper, found in verdicts.tuning(of_paper, logs, {}).items()}


def test_a_method_is_held_against_the_baselines_trials_under_its_own_budget_alone():
    runs = [of_recipe("transfg", patch_stride=6), of_recipe("baseline"), of_recipe("baseline", changes=("patch_stride=6",), patch_stride=6)]
    assert tuned(runs, transfg=AT_STRIDE, baseline=PLAIN + AT_STRIDE) == {"transfg": [], "baseline": []}
    few = tuned(runs, transfg=AT_STRIDE[::-1], baseline=PLAIN + AT_STRIDE[:1])
    assert few == {"transfg": ["unequal trials: finch_vit, stride 6, 15 epochs at 96 px: it has 3 trials of its recipe, the baseline has 1: both need the same number"], "baseline": []}


def test_the_baselines_recipe_under_a_methods_budget_is_to_be_the_best_of_its_trials_there():
    runs = [of_recipe("transfg", patch_stride=6), of_recipe("baseline", changes=("patch_stride=6",), patch_stride=6)]
    better = [AT_STRIDE[0], trial(0.8, lr=8e-3, patch_stride=6), *AT_STRIDE[1:]]
    found = tuned(runs, transfg=better, baseline=better)
    assert [message.partition(": ")[0] for message in found["baseline"]] == ["not the best"]
    assert "the best of its trials has 80.0%, with lr 0.008 (not 0.01)" in found["baseline"][0]


@pytest.mark.parametrize("run", [of_recipe("baseline", changes=("epochs=60",), epochs=60), of_recipe("baseline", changes=("lr=0.5",), lr=0.5), of_recipe("baseline").model_copy(update={"variant": "Other", "recipe": trial(0.5, lr=9.0).recipe})])
def test_longer_trainings_of_the_baseline_changed_recipes_and_ablations_need_no_trials_of_their_own(run):
    assert tuned([of_recipe("baseline"), run], baseline=PLAIN) == {"baseline": []}


def test_a_log_that_no_longer_begins_with_a_records_trials_is_named_and_one_that_grew_isnt():
    run = of_recipe("transfg").model_copy(update={"trials": records.counted(PLAIN[:2])})
    assert verdicts.trials_changed(run, [*AT_STRIDE, *PLAIN]) == []
    for log in (PLAIN[:1], [PLAIN[0], PLAIN[2]], []):
        (found,) = verdicts.trials_changed(run, log)
        assert (found.kind, found.message) == ("trials changed", f"2 were made before it under its budget; trials.jsonl has {len(log)}, or others")


# ------------------------------------------------------------------------------------------------------------ running again


@pytest.fixture
def cache(tmp_path, drawn, monkeypatch) -> None:
    """For runs of this process, on few images."""
    monkeypatch.setenv("FINCH_CACHE", str(drawn(tmp_path / "cache")))
    monkeypatch.setattr(finches, "TRAINING_IMAGES", small_run.TRAINING_IMAGES)


@pytest.fixture(scope="module")
def short(tmp_path_factory, drawn) -> records.Record:
    """A record of one epoch of the baseline, on one thread, by another process."""
    into = tmp_path_factory.mktemp("records")
    like = on_finches("baseline", 0, dataset=FINCHES | {"validation": 32}, changes=["epochs=1"], backbone={"name": "finch_resnet", "weights": "shipped", "sha256": "a" * 64}, compute={"threads": 1})
    command = rerun.command_of(like, into, images=4)
    code, said = forked.run(ROOT, "tests.implementations.small_run", *command[2:], variables={"FINCH_CACHE": str(drawn(into / "cache"))})
    assert code == 0, said
    ((_, made),) = records.read_all(into / "baseline")
    return made


def here(command: list[str], root: Path) -> None:
    """Runs an implementation's command in this process, which has all that another would first import."""
    python, flag, module, *arguments = command
    assert (python, flag, root) == (sys.executable, "-m", ROOT)
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    try:
        assert cli.main(method_of(module.removeprefix("implementations.")), arguments) == 0
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(deterministic)


def test_a_run_that_fails_is_named_with_its_command():
    rerun._run([sys.executable, "-m", "implementations", "--list"], ROOT)
    with pytest.raises(Fault, match="-m implementations --lost ended with exit code 2"):
        rerun._run([sys.executable, "-m", "implementations", "--lost"], ROOT)


@pytest.mark.usefixtures("cache")
def test_run_again_on_the_same_threads_it_says_the_same_of_every_image(short, monkeypatch):
    monkeypatch.setattr(rerun, "_run", here)
    found = rerun.rerun(ROOT, short, [short], rerun.Wanted(images=2))
    assert (found.verdict, found.sentence) == ("match", "the same 64 predictions")
    assert found.then == found.now


@pytest.mark.usefixtures("cache")
def test_run_again_on_other_threads_it_is_paired_by_image_and_says_what_is_different(short, monkeypatch):
    monkeypatch.setattr(rerun, "_run", here)
    found = rerun.rerun(ROOT, short, [short], rerun.Wanted(threads=short.compute.threads + 1, images=2))
    assert f"threads {short.compute.threads} then, {short.compute.threads + 1} now" in found.sentence
    assert found.verdict == "match"


def changed(record: records.Record, right: int, **changes) -> records.Record:
    """The record with so many of its first answers right, and the others wrong."""
    labels = records.decode(record.labels)
    guesses = [label if index < right else (label + 1) % 32 for index, label in enumerate(labels)]
    outcome = record.outcome.model_copy(update={"predictions": records.encode(guesses), "top1": right / len(labels)})
    return record.model_copy(update={"outcome": outcome, **changes})


@pytest.mark.parametrize(("then", "now", "verdict"), [(64, 20, "below"), (20, 64, "above"), (64, 62, "match")])
def test_a_rerun_of_the_same_seed_is_judged_by_the_images_on_which_the_two_part(short, then, now, verdict):
    found = rerun.compared(changed(short, then), changed(short, now), [])
    assert found.verdict == verdict
    assert found.sentence.startswith(f"{abs(then - now)} of 128 predictions differ; {100 * (now - then) / 128:+.1f} points")


@pytest.mark.parametrize(("now", "verdict"), [(64, "match"), (20, "below"), (120, "above")])
def test_a_run_of_another_seed_is_judged_by_how_far_seeds_lie_apart(short, now, verdict):
    committed = [changed(short, right, seed=seed) for seed, right in enumerate((62, 64, 66))]
    found = rerun.compared(committed[0], changed(short, now, seed=9), committed)
    assert found.verdict == verdict
    assert "seed 9; by the 3 recorded, 95% of further seeds lie from" in found.sentence


def test_a_run_on_fewer_images_is_judged_by_what_the_recorded_seeds_reached_on_these(short):
    """The first half of each species' images are all right, the others all wrong."""
    labels = records.decode(short.labels)
    halves = [index % 4 < 2 for index in range(len(labels))]
    guesses = [label if right else (label + 1) % 32 for label, right in zip(labels, halves, strict=True)]
    committed = [short.model_copy(update={"seed": seed, "outcome": short.outcome.model_copy(update={"predictions": records.encode(guesses)})}) for seed in range(3)]
    few = [label for label, right in zip(labels, halves, strict=True) if right]
    data, outcome = short.dataset.model_copy(update={"test": 64}), short.outcome.model_copy(update={"predictions": records.encode([(few[0] + 1) % 32, *few[1:]])})
    found = rerun.compared(committed[0], short.model_copy(update={"seed": 9, "dataset": data, "labels": records.encode(few), "outcome": outcome}), committed)
    assert found.then == 1.0  # of all images it would be a half
    assert found.verdict == "below"


def test_with_one_seed_recorded_another_cant_be_judged(short):
    with pytest.raises(Fault, match="with one seed recorded, nobody knows how far another may lie"):
        rerun.compared(short, changed(short, 3, seed=9), [short])


@pytest.mark.parametrize(
    ("diff", "papers"),
    [
        (["implementations/pmg.py"], ["pmg"]),
        (["implementations/api_net.py", "README.md"], ["api-net"]),
        (["implementations/records/transfg/x.json"], ["transfg"]),
        (["implementations/common/vit.py"], ["api-net", "baseline", "pmg", "transfg"]),
        (["catalog/papers/pmg.yaml", "tests/implementations/test_pmg.py"], []),
    ],
)
def test_a_diff_reruns_the_demos_that_it_touches(diff, papers):
    assert list(rerun._touched(diff, ["api-net", "baseline", "pmg", "transfg"])) == papers


@pytest.mark.parametrize("commit", ["nowhere", "--output=written"])
def test_an_unknown_commit_is_named(commit):
    with pytest.raises(Fault, match=f"git knows no commit '{commit}' here"):
        rerun.touched(ROOT, commit, [])
    assert not list(ROOT.glob("written*"))


def test_old_beside_new_is_the_record_as_it_was_at_the_commit(tmp_path, evidence):
    def git(*arguments: str) -> None:
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b.example", *arguments], cwd=tmp_path, check=True, capture_output=True)

    path = tmp_path / "record.json"
    made = records.read(evidence / SEED0)
    git("init", "-q")
    path.write_text(records.to_text(made), encoding="utf-8")
    git("add", ".")
    git("commit", "-qm", "old")
    path.write_text(records.to_text(made.model_copy(update={"seed": 5})), encoding="utf-8")
    git("commit", "-qam", "new")
    assert rerun.as_of(tmp_path, "HEAD", path).seed == 5
    assert rerun.as_of(tmp_path, "HEAD~", path).seed == 0
    assert rerun.as_of(tmp_path, "HEAD", tmp_path / "other.json") is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--rerun", "--refresh", "pmg"], "--rerun and --refresh do different things: expected one of them"),
        (["--rerun", "--confirm"], "--rerun and --confirm do different things: expected one of them"),
        (["--changed-since", "HEAD"], "--changed-since says how demos are run again: expected --rerun beside it"),
        (["--threads", "2"], "--threads says how"),
        (["--rerun", "--threads", "0"], "--threads 0: expected at least 1"),
        (["--explain", ""], 'no verdict or finding ""'),
    ],
)
def test_options_that_cant_be_meant_are_wrong_usage(arguments, said, capsys):
    assert check_results.main(arguments) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(("verdict", "code"), [("match", 0), ("below", 1)])
def test_a_rerun_that_comes_out_otherwise_fails(tmp_path, evidence, monkeypatch, capsys, verdict, code):
    monkeypatch.setattr(rerun, "rerun", lambda root, record, committed, wanted: rerun.Rerun(record.paper, verdict, 0.7, 0.6, "so it is"))
    assert check_results.main(["--root", str(copy(tmp_path / "repository", evidence)), "--rerun", "api-net", "--format", "github"]) == code
    assert capsys.readouterr().out.strip() == ("::error title=api-net::api-net: below: 70.0 recorded, 60.0 now; so it is" if code else "")


# ------------------------------------------------------------------------------------------------------------ on another CPU


ELSEWHERE = """
import json, sys
from implementations.common import fingerprint
from implementations.common.run import method_of, recipe_for
for backbone, then in json.load(sys.stdin).items():
    method = method_of("baseline")
    recipe = recipe_for(method, profile="demo", backbone=backbone, changes=[], folder=False)
    now = fingerprint.of(method, recipe, then["exact"]["drawn"])
    moved = [there != here for there, here in zip(then["exact"]["drawn"], now["exact"]["drawn"])]
    print(any(moved), fingerprint.differences(then, now))
"""


def test_a_fingerprint_holds_on_a_cpu_that_draws_initial_weights_otherwise():
    """Without vector instructions, PyTorch's float32 functions round otherwise; so do those of another CPU's."""
    method = method_of("baseline")
    recipes = {name: recipe_for(method, profile="demo", backbone=name, changes=[], folder=False) for name in ("finch_vit", "finch_resnet")}
    then = json.dumps({name: fingerprint.of(method, recipe) for name, recipe in recipes.items()})
    env = os.environ | {"ATEN_CPU_CAPABILITY": "default"}
    run = subprocess.run([sys.executable, "-c", ELSEWHERE], cwd=ROOT, env=env, input=then, capture_output=True, text=True, check=False)
    assert run.stdout == "True []\n" * 2, run.stderr
