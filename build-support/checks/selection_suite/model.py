"""Computes the effect of changes without Pants, from imports and the rules of README.md.

It reads each module once, so it is fast enough for a marketplace of a thousand usecases. It covers
the images, and the tests in the maxai* trees.
"""

import ast
import hashlib
import re
from collections.abc import Iterable, Iterator, Set

from selection_suite.clone import TREES, Clone

_OF_DAGS = r"maxairesources/(dagfactory|dags/(__init__|operators|pods))\.py"
# The modules that a test reads without importing them, as its BUILD file declares.
_READS = {
    "maxairesources/dagfactory_test.py": _OF_DAGS,
}
_NAMED_IMAGE = re.compile(r'"maxai/(\w+)')


class Model:
    """Computes digests of a clone.

    Args:
        clone: the clone.
        addresses: the addresses of all targets at the base.
    """

    def __init__(self, clone: Clone, addresses: Iterable[str]) -> None:
        self._clone = clone
        # The library's tests have targets with several names, and one for each resolve.
        self._of_library: dict[str, list[str]] = {}
        for address in addresses:
            if (file := address.partition(":")[0]).startswith("maxairesources/"):
                self._of_library.setdefault(file, []).append(address)
        self._imports_of: dict[tuple[str, str], list[str]] = {}
        self._images_in: dict[tuple[str, str], list[str]] = {}

    def digests(self) -> dict[str, str]:
        """Return a digest of the inputs of each image and test in HEAD, by address."""
        # The blob id identifies the content of a file.
        listed = self._clone.git(
            "ls-tree", "-r", "-z", "HEAD", "--", *TREES, "maxairesources"
        )
        self._blobs = {
            path: entry.split()[2]
            for entry, path in (line.split("\t") for line in listed.split("\0")[:-1])
        }
        self._folders: dict[str, list[str]] = {}
        for path in self._blobs:
            for depth in (2, 3, 4):
                self._folders.setdefault("/".join(path.split("/")[:depth]), []).append(
                    path
                )
        domains = [
            path.split("/")[1] for path in self._blobs if path.endswith("/Dockerfile")
        ]
        images = {domain: self._image(domain) for domain in domains}
        tests = [path for path in self._blobs if path.endswith("_test.py")]
        return {
            **{
                f"maxaiusecases/{d}:image": self._hash(files)
                for d, files in images.items()
            },
            **{
                address: digest
                for test in tests
                for digest in [self._hash(self._test(test, images))]
                for address in self._of_library.get(test, [f"{test}:tests"])
            },
        }

    def _hash(self, files: Set[str]) -> str:
        content = repr(sorted((file, self._blobs[file]) for file in files))
        return hashlib.sha256(content.encode()).hexdigest()

    def _image(self, domain: str) -> Set[str]:
        found = self._closure(*self._handlers(domain)) | self._packages(domain)
        return found | {f"maxaiusecases/{domain}/Dockerfile"}

    def _handlers(self, domain: str) -> Iterator[str]:
        for path in self._folders[f"maxaiusecases/{domain}"]:
            if (
                "/handlers/" in path
                and path.endswith(".py")
                and not path.endswith("_test.py")
            ):
                yield path

    def _packages(self, domain: str) -> Set[str]:
        return {
            f"maxaiusecases/{domain}/requirements.{kind}" for kind in ("txt", "lock")
        }

    def _test(self, test: str, images: dict[str, Set[str]]) -> Set[str]:
        tree, *names = test.split("/")
        found = {*self._closure(test)}
        if tree == "maxaiusecases":
            found |= self._packages(names[0])
            found |= images[names[0]] if names[1:] == ["image_test.py"] else set()
        if tree == "maxaidags":
            usecase = "/".join(["maxaiconfigs", *names[:2]])
            launch = [f for f in self._folders.get(usecase, ()) if f.count("/") == 3]
            settings = self._folders.get(f"{usecase}/{names[2]}", ())
            found |= {file for file in (*launch, *settings) if file.endswith(".json")}
            found |= self._closure(test.rpartition("/")[0] + "/dag.py")
        if names[-1] == "run_test.py":
            for domain in {
                names[0],
                *(image for file in launch for image in self._named(file)),
            }:
                found |= images[domain]
        if pattern := _READS.get(test):
            found |= {file for file in self._blobs if re.fullmatch(pattern, file)}
            found |= self._closure(*found)
        return found

    def _named(self, config: str) -> list[str]:
        key = (config, self._blobs[config])
        if key not in self._images_in:
            self._images_in[key] = _NAMED_IMAGE.findall(self._clone.read(config))
        return self._images_in[key]

    def _closure(self, *files: str) -> Set[str]:
        found: set[str] = set()
        todo = [*files]
        while todo:
            if (file := todo.pop()) not in found and file in self._blobs:
                found.add(file)
                todo += self._imports(file)
        return found

    def _imports(self, file: str) -> list[str]:
        """Return the files that a file may import, and the __init__.py of its packages."""
        key = (file, self._blobs[file])
        if key in self._imports_of or not file.endswith(".py"):
            return self._imports_of.get(key, [])
        parts = file.split("/")
        found = [
            "/".join([*parts[:depth], "__init__.py"]) for depth in range(1, len(parts))
        ]
        for node in ast.walk(ast.parse(self._clone.read(file))):
            modules = []
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                modules = [f"{node.module}.{alias.name}" for alias in node.names]
                modules.append(str(node.module))
            for path in (module.replace(".", "/") for module in modules):
                found += [f"{path}.py", f"{path}/__init__.py"]
        self._imports_of[key] = found
        return found
