"""What a study will cost, before anything starts: downloads, disk, memory, time, jobs.

Above all stages: it reads the configuration, the table of sources and whatever
of the study is on disk already, and it starts nothing. Every number comes from
a formula of ``arithmetic`` or from a file, and says which.
"""
