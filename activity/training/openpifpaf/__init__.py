"""Trains OpenPifPaf networks on rendered people."""
