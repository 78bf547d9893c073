"""Every setting, declared once, in the order in which `demijohn config` prints them."""
