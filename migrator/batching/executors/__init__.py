"""Who does the tasks: slots of this machine, or of a cluster's workers."""
