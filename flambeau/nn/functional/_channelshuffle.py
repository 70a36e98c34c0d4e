"""Channels in another order."""

import flambeau

__all__ = ["channel_shuffle", "native_channel_shuffle"]

channel_shuffle = flambeau.channel_shuffle
native_channel_shuffle = flambeau.native_channel_shuffle
