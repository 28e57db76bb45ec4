"""Training on several devices and in several processes.

job      the processes that train together        setup      what all of them have to know
devices  windows and weights over devices         supervise  a child that JAX may abort
"""
