"""The demo: from a file of raw votes to two trained, compared models, by commands a person would type.

`votes.json.gz` is real data with its real faults; NOTICE says where it is from.
"""
