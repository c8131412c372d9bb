"""The reference controller: CSMS session, allocator, dispatch, cycle."""
