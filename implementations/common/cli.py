"""The command line, the same for each implementation: train and test it, or look at images or trials.

Only the parsing is here: what needs torch's company (timm, torchvision, accelerate) is imported once a command is meant.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from implementations.common.errors import Fault
from implementations.common.machine import cores
from implementations.common.method import Method
from implementations.common.records import RECORDS


def run(method: type[Method]) -> None:
    """Runs the command line of one implementation and exits."""
    sys.exit(main(method, sys.argv[1:]))


def main(method: type[Method], arguments: list[str]) -> int:
    """Runs one command; returns the exit code: 0, 1 for something found, 2 for wrong usage, 130 after Ctrl-C."""
    options = parser(method).parse_args(arguments)
    try:
        if options.command == "predict":
            from implementations.common.look import predict

            return predict(method, options)
        if options.command == "trials":
            from implementations.common.run import show_trials

            return show_trials(method, options)
        from implementations.common.run import train

        return train(method, options)
    except Fault as fault:
        print(f"finch: {fault}", file=sys.stderr)
        return fault.code
    except KeyboardInterrupt:
        print("\nfinch: stopped", file=sys.stderr)
        return 130


def parser(method: type[Method]) -> argparse.ArgumentParser:
    """The options of `train` (the default), `predict` and `trials`."""
    about = (sys.modules[method.__module__].__doc__ or method.__doc__ or "").strip()
    module = f"python -m implementations.{method.paper.replace('-', '_')}"
    whole = argparse.ArgumentParser(
        prog=module,
        description="\n\n".join(about.split("\n\n")[:2]),
        epilog=f"Without a command: train, and test. The demo takes one to three minutes and needs no network: {module}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    whole.set_defaults(command="train")
    _what(whole)
    _how(whole)
    _where(whole)
    commands = whole.add_subparsers(title="commands", metavar="")
    look = commands.add_parser("predict", help="say what is on images, with a checkpoint of a run")
    look.set_defaults(command="predict")
    look.add_argument("images", nargs="+", type=Path, metavar="IMAGE")
    look.add_argument("--checkpoint", type=Path, required=True, metavar="FILE", help="what a run wrote (it says where)")
    look.add_argument(
        "--evidence",
        type=Path,
        default=Path("build/evidence.webp"),
        metavar="FILE",
        help="where to draw what it looks at (default: %(default)s)",
    )
    look.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto")
    tried = commands.add_parser("trials", help="say which recipes were tried, and what the rule of trials still asks")
    tried.set_defaults(command="trials")
    tried.add_argument(
        "--records", type=Path, default=RECORDS, metavar="DIR", help="where they are logged (default: the committed)"
    )
    return whole


def _what(whole: argparse.ArgumentParser) -> None:
    group = whole.add_argument_group("what is trained on what")
    group.add_argument(
        "--dataset",
        choices=("finches", "folder"),
        default="finches",
        help="finches: Finch's own birds, drawn here; folder: your images, with --data",
    )
    group.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="holds train/CLASS/…, test/CLASS/… and, if there are any, val/CLASS/… and coarser labels in classes.yaml",
    )
    group.add_argument(
        "--profile", choices=("demo", "paper"), default="demo", help="demo: small and quick; paper: the paper's own recipe"
    )
    group.add_argument("--backbone", metavar="NAME", help="one of timm's names; the demo has finch_resnet and finch_vit")
    group.add_argument("--weights", metavar="FILE", help="its weights (safetensors, timm's names), or none to start from random")
    group.add_argument("--download", action="store_true", help="fetch timm's weights over the network if they aren't here")
    group.add_argument(
        "--set",
        dest="changes",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="change the recipe (repeatable), such as lr=1e-3",
    )
    group.add_argument(
        "--variant", metavar="FILE.py:CLASS", help="train a subclass of the method from a file of yours, recorded as a variant"
    )


def _how(whole: argparse.ArgumentParser) -> None:
    group = whole.add_argument_group("how")
    group.add_argument("--seeds", nargs="+", type=int, default=[0], metavar="N", help="one run each (default: 0)")
    group.add_argument("--compare", choices=("baseline",), help="train the plain baseline too, in place of its committed record")
    group.add_argument("--resume", action="store_true", help="go on where a stopped run of the same command was")
    group.add_argument(
        "--save-every", type=float, default=30.0, metavar="S", help="seconds between checkpoints (default: %(default)s)"
    )
    group.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto")
    group.add_argument("--precision", choices=("auto", "float32", "bf16"), default="auto", help="auto: bf16 on a GPU that has it")
    group.add_argument(
        "--threads",
        type=int,
        default=cores(),
        metavar="N",
        help="of the CPU; the last bits depend on it (default: %(default)s)",
    )
    group.add_argument(
        "--workers", type=int, metavar="N", help="processes that read images (default: 0 for finches, else one a core)"
    )
    group.add_argument(
        "--trial",
        metavar="CHANGE",
        help="try a recipe: report on validation alone, and log it under these words; --set lr=1e-3,2e-3 then tries both; what is"
        " logged under these words isn't tried again",
    )
    group.add_argument(
        "--track-test", action="store_true", help="also note the best epoch on test, as some papers report; never the result"
    )


def _where(whole: argparse.ArgumentParser) -> None:
    group = whole.add_argument_group("where to")
    group.add_argument("--log", type=Path, metavar="FILE", help="one JSON line every ten steps")
    group.add_argument("--records", type=Path, metavar="DIR", help="where run records go (default: the user's cache)")
    group.add_argument("--note", metavar="TEXT", help="what was found out, in words: kept in the record")
    group.add_argument(
        "--test-images",
        type=int,
        default=30,
        metavar="N",
        help="of each species of finches (default: %(default)s; committed records have 120)",
    )
    group.add_argument(
        "--validation-images", type=int, default=10, metavar="N", help="of each species of finches (default: %(default)s)"
    )
