# The first thing that a compute node runs, as __main__.py of the runner file. It stays source,
# and so plain that any Python can read it and say what is wrong.
import sys

EXPECTED = "@PYTHON@"


def boot():  # type: ignore
    found = "%d.%d" % sys.version_info[:2]
    if found != EXPECTED:
        sys.stderr.write(
            "hpcbatch: this task was made with Python %s, and this node runs Python %s (%s).\n"
            "Pickled functions do not travel between minor versions. Name a Python %s for this\n"
            "cluster (the key 'python' in hpcbatch.yaml), or create the task with Python %s.\n"
            % (EXPECTED, found, sys.executable, EXPECTED, found)
        )
        return 78
    from hpcbatch_on_node.runner.element import main  # type: ignore

    return main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(boot())  # type: ignore
