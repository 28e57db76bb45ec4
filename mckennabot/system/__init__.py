"""What differs between machines.

files       writes that a kill leaves whole            stored      reads of what may be damaged
inputs      files that the user names                  spool       a pipe as a file
processes   child processes with bounds                supervisor  a process that watches over another
signals     what ends a command, after saving          locks       one writer at a time
machine     cores, memory, instructions, caches        terminal    what may be sent to one
"""
