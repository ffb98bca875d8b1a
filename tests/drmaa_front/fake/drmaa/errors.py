"""The exceptions of python-drmaa that a front tells apart."""


class DrmaaException(Exception):
    pass


_NAMES = (
    "DeniedByDrmException",
    "DrmCommunicationException",
    "DrmsInitException",
    "InternalException",
    "InvalidAttributeValueException",
    "InvalidJobException",
    "TryLaterException",
)
globals().update({name: type(name, (DrmaaException,), {}) for name in _NAMES})
