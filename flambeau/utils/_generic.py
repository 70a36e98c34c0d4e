"""`Dataset[int]` and the like for type checkers, without the price of importing `typing`."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Generic as Generic
    from typing import TypeVar

    T_co = TypeVar("T_co", covariant=True)
else:
    import types

    T_co = None

    class Generic:
        """Base of classes that say of what they are, as in ``Dataset[int]``."""

        def __class_getitem__(cls, item):
            return cls if cls is Generic else types.GenericAlias(cls, item)
