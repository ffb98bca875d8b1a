"""Values without code of their own: they can be pickled by anything and unpickled by anybody."""

PLAIN_TYPES = frozenset({type(None), bool, int, float, complex, str, bytes})
