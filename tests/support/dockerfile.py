"""Carries out a Dockerfile on this machine, as far as that goes without a container engine.

A stage is a folder. RUN runs the very words, in the folder of its WORKDIR, with the variables that
the file sets; what a container engine adds (namespaces, layers, a root of one's own) is missing.
So that nothing has to be rewritten, an installation's place must be a build argument, which is then
a real folder here. Knows what our Dockerfile uses, and refuses the rest.
"""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

PATH = "/usr/local/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""As the base image sets it."""

RUN_SECONDS = 300
METADATA = ("USER", "ENTRYPOINT", "CMD", "EXPOSE", "LABEL")


@dataclass(frozen=True)
class Instruction:
    """One instruction: `RUN --mount=x a b` has the flag mount=x, and the text `a b`."""

    name: str
    flags: Mapping[str, str]
    text: str

    @property
    def words(self) -> list[str]:
        return shlex.split(self.text)


@dataclass(frozen=True)
class Stage:
    """What is between one FROM and the next."""

    name: str
    base: str
    instructions: tuple[Instruction, ...]

    def all_of(self, name: str) -> list[Instruction]:
        return [each for each in self.instructions if each.name == name]

    def last(self, name: str) -> Instruction:
        return self.all_of(name)[-1]


@dataclass
class Dockerfile:
    """A parsed file: the arguments before the first FROM, and the stages in their order."""

    arguments: dict[str, str] = field(default_factory=dict)
    stages: list[Stage] = field(default_factory=list)

    @classmethod
    def parse(cls, text: str) -> "Dockerfile":
        parsed = cls()
        for instruction in _instructions(text):
            if instruction.name == "FROM":
                base, *named = instruction.words
                parsed.stages.append(Stage(named[-1] if named else "", base, ()))
            elif parsed.stages:
                stage = parsed.stages.pop()
                whole = (*stage.instructions, instruction)
                parsed.stages.append(Stage(stage.name, stage.base, whole))
            else:
                parsed.arguments |= _settings(instruction)
        return parsed

    @property
    def final(self) -> Stage:
        return self.stages[-1]


def _instructions(text: str) -> Iterator[Instruction]:
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for line in re.sub(r"\\\n", " ", lines).splitlines():
        if line.strip():
            name, _, rest = line.strip().partition(" ")
            flags, rest = _flags(rest.strip())
            yield Instruction(name, flags, rest)


def _flags(text: str) -> tuple[dict[str, str], str]:
    flags: dict[str, str] = {}
    while found := re.match(r"--(\w+)=(\S+)\s+", text):
        flags[found[1]] = found[2]
        text = text[found.end() :]
    return flags, text


def _settings(instruction: Instruction) -> dict[str, str]:
    """The names that an ARG, ENV or LABEL sets; one without a value has none here."""
    return dict(word.split("=", 1) for word in instruction.words if "=" in word)


class Built:
    """A stage that was carried out.

    Attributes:
        root: its folder; absolute paths of the file are below it, but for those of build arguments.
        environment: what ENV set, over the base image's PATH.
    """

    def __init__(self, root: Path, environment: Mapping[str, str]) -> None:
        self.root = root
        self.environment = dict(environment)
        self.workdir = root
        self.variables: dict[str, str] = {}
        root.mkdir(parents=True)

    def expand(self, text: str) -> str:
        known = self.environment | self.variables
        return re.sub(r"\$\{?(\w+)\}?", lambda found: known[found[1]], text)


@dataclass
class Builder:
    """Carries out all stages.

    Attributes:
        folder: where their folders are made.
        context: what COPY copies from.
        python: a folder with the `python` of the base image's stand-in.
        arguments: build arguments; a folder named by one is real, and shared by all stages.
    """

    folder: Path
    context: Path
    python: Path
    arguments: Mapping[str, str]
    environment: Mapping[str, str] = field(default_factory=dict)
    built: dict[str, Built] = field(default_factory=dict)

    def build(self, file: Dockerfile) -> Built:
        """The last stage."""
        for stage in file.stages:
            base = self.built.get(stage.base)
            inherited = base.environment if base else {"PATH": PATH}
            self.built[stage.name] = Built(self.folder / (stage.name or "final"), inherited)
            for instruction in stage.instructions:
                self._carry_out(instruction, self.built[stage.name], file.arguments)
        return self.built[file.final.name]

    def _carry_out(
        self, instruction: Instruction, stage: Built, defaults: Mapping[str, str]
    ) -> None:
        if instruction.name == "ARG":
            name, _, default = instruction.text.partition("=")
            stage.variables[name] = self.arguments.get(name, default or defaults.get(name, ""))
        elif instruction.name == "ENV":
            stage.environment |= {
                name: stage.expand(value) for name, value in _settings(instruction).items()
            }
        elif instruction.name == "WORKDIR":
            stage.workdir = stage.root / instruction.text.lstrip("/")
            stage.workdir.mkdir(parents=True)
        elif instruction.name == "COPY":
            self._copy(instruction, stage)
        elif instruction.name == "RUN":
            self._run(instruction.text, stage)
        elif instruction.name not in METADATA:
            raise NotImplementedError(instruction.name)

    def _copy(self, instruction: Instruction, stage: Built) -> None:
        *sources, target = map(stage.expand, instruction.words)
        if sources == [target] and target in self.arguments.values():
            return  # a real folder is where it shall be already
        origin = self.context
        if named := instruction.flags.get("from"):
            origin = self.built[named].root
        for source in sources:
            place = stage.workdir / target
            if (origin / source).is_dir():
                ignored = shutil.ignore_patterns("__pycache__", "*.py[cod]")
                shutil.copytree(origin / source, place, ignore=ignored)
            else:
                shutil.copy(origin / source, place)

    def _run(self, command: str, stage: Built) -> None:
        """Raise an AssertionError with the output if a command fails."""
        ours = {"HOME": os.environ["HOME"]} | {
            name: value for name, value in os.environ.items() if name.startswith("PIP_")
        }
        environment = {**ours, **stage.environment, **stage.variables, **self.environment}
        environment["PATH"] = f"{self.python}:{stage.environment['PATH']}"
        outcome = subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=stage.workdir,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=RUN_SECONDS,
        )
        assert outcome.returncode == 0, f"{command}\n{outcome.stdout}{outcome.stderr}"
