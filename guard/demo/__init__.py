"""The demo exchange: something to stand behind the gateway. It executes what it is told; guard says who may tell it."""
