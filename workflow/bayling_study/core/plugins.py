"""Registers that modules of a folder fill when they are imported."""

from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType


def import_all(package: ModuleType) -> None:
    """Imports every module of a package; a module that is put there needs no other edit."""
    for module in iter_modules(package.__path__):
        import_module(f"{package.__name__}.{module.name}")
