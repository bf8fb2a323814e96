"""The only room with TensorFlow, and it is in a child process.

``client`` is the parent's side: it starts children, hands them tasks, and bounds their time and
memory. ``worker`` is the child's main loop, ``rewrite`` and ``run`` are its tasks; TensorFlow is
imported by them alone, when a task asks for it.
"""
