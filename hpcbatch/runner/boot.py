# mypy: ignore-errors
# The first thing that a compute node runs, as __main__.py of the runner file. It stays source,
# and so plain that any Python can read it and say what is wrong.
import sys

EXPECTED = "@PYTHON@"
ENTRY = "@ENTRY@"  # the module of ours whose main is called


class Importer:
    """Imports our modules out of one table: one read instead of a dozen system calls each."""

    def __init__(self, table):
        self.table = table

    def find_spec(self, name, path=None, target=None):
        if name not in self.table:
            return None
        from importlib.machinery import ModuleSpec

        return ModuleSpec(name, self, is_package=self.table[name][0])

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        import marshal

        exec(marshal.loads(self.table[module.__name__][1]), module.__dict__)  # noqa: S102


def boot():
    found = "%d.%d" % sys.version_info[:2]
    if found != EXPECTED:
        sys.stderr.write(
            "hpcbatch: this task was made with Python %s, and this node runs Python %s (%s): "
            "pickled functions do not travel between minor versions. Name a Python %s for this "
            "cluster (the key 'python' in hpcbatch.yaml), or create the task with Python %s.\n"
            % (EXPECTED, found, sys.executable, EXPECTED, found)
        )
        return 78
    import faulthandler
    import gc
    import marshal
    import os
    from importlib import import_module

    try:  # a crash, such as a segmentation fault, tells of itself in the log
        faulthandler.enable(os.dup(2), all_threads=False)  # a job may close 2, and open a file
    except OSError:
        pass  # there is no log
    gc.disable()  # what is loaded until the user's code runs is no garbage
    sys.meta_path.insert(0, Importer(marshal.loads(__loader__.get_data("modules.bin"))))
    return import_module(ENTRY).main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(boot())
