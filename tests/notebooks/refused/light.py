# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: light
#       format_version: '1.5'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# # The Moon
#
# How far is it, and how long does light take?

km = 384_400  # on average
km


# ## Exercise 1: light

def light_seconds(km):
    return km / 300_000


assert round(light_seconds(384_400), 2) == 1.28, "Light needs 1.28 s to the Moon."
assert light_seconds(0) == 0


# ## Exercise 2: a rocket

# +
def hours(km, km_per_hour):
    return km / km_per_hour

def test_hours():
    assert hours(384_400, 38_440) == 10

test_hours()
