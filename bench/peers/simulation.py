# Timers that ask to happen again after a pseudo-random delay, under SimPy: simulation.py <pending> <events>.
# Prints events per second, as JSON.
import json
import sys
import time

import simpy

chance = 12345


def timer(env):
    global chance
    while True:
        chance = (chance * 1664525 + 1013904223) & 0xFFFFFFFF
        yield env.timeout(1 + (chance >> 8) % 1000)


pending, events = int(sys.argv[1]), int(sys.argv[2])
env = simpy.Environment()
for _ in range(pending):
    env.process(timer(env))
for _ in range(pending):
    env.step()
begun = time.perf_counter()
for _ in range(events):
    env.step()
print(json.dumps({"perSecond": events / (time.perf_counter() - begun)}))
