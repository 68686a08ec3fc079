"""The virtual metal: QEMU machines, TPMs, BMCs and a switch inside one anonymous namespace of their own.

Here: what brings that data centre up, takes it down, looks at it and tampers with it. Never: planning, judging
evidence, or anything that touches a network, process or file outside the namespace and the lab's state directory.
"""
