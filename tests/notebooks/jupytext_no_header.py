# %% [markdown]
# # The Moon
#
# How far is it, and how long does light take?

# %%
km = 384_400  # on average
km


# %% [markdown]
# ## Exercise 1: light

# %%
def light_seconds(km):
    return km / 300_000


# %%
assert round(light_seconds(384_400), 2) == 1.28, "Light needs 1.28 s to the Moon."
assert light_seconds(0) == 0


# %% [markdown]
# ## Exercise 2: a rocket

# %%
def hours(km, km_per_hour):
    return km / km_per_hour

def test_hours():
    assert hours(384_400, 38_440) == 10

test_hours()

# %%
# only a comment

# %%
# %%time
total = sum(range(1000))

# %%
# %%capture shown
print('not seen')

# %% language="bash"
# echo hello
