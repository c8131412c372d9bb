"""The only room with I/O: loop, links, shells, rigs, site files, recorder."""
