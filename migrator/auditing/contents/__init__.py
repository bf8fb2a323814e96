"""Everything that one model holds: graphs, bodies, what constants hide, weights, checkpoint."""
