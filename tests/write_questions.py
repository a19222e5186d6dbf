"""Makes token arrays of pairs of questions: write_questions.py TRAIN.tsv TEST.tsv ROWS SEED...

Lines are question TAB question TAB 1 for a duplicate.  Of each file, all different questions of the first ROWS lines:
train.npy, test.npy u32 [L], filled up with 2^32-1; *.label.npy i32, one for all that are duplicates of each other.
For each seed, views of training questions, each a random part of the words: first.SEED.* for a first encoder,
further.SEED.* to learn on; x, pos, id (row in train), label, epoch.  The number of words known goes to the file words.
"""
import collections
import sys

import numpy as np

LONGEST, NONE, KEEP = 24, 2**32 - 1, 0.7
EPOCHS = {"first": 5, "further": 2}


def read(path, rows):
    """All different questions and, for each, the number of its set of duplicates."""
    number, parent = {}, []

    def find(i):
        while parent[i] != i:
            i = parent[i]
        return i

    for line in open(path, encoding="utf-8").readlines()[:rows]:
        left, right, same = line.rstrip("\n").split("\t")
        pair = [number.setdefault(question.lower(), len(number)) for question in (left, right)]
        parent.extend(range(len(parent), len(number)))
        if same == "1":
            parent[find(pair[1])] = find(pair[0])
    return [question.split() for question in number], np.array([find(i) for i in range(len(parent))], "i4")


def tokens(questions, word):
    out = np.full((len(questions), LONGEST), NONE, "u4")
    for i, question in enumerate(questions):
        known = [word[w] for w in question if w in word][:LONGEST]
        out[i, :len(known)] = known
    return out


def view(x, draw):
    """Each word stays with probability KEEP, the first of a question always where all others would go."""
    gone = draw.random(x.shape) >= KEEP
    gone[(gone | (x == NONE)).all(1), 0] = False
    return np.where(gone, np.uint32(NONE), x).astype("u4")


rows, seeds = int(sys.argv[3]), [int(seed) for seed in sys.argv[4:]]
(train, label), (test, test_label) = read(sys.argv[1], rows), read(sys.argv[2], rows)
count = collections.Counter(w for question in train for w in question)
word = {w: i for i, w in enumerate(sorted(w for w in count if count[w] > 1))}
x = tokens(train, word)
np.save("train.npy", x), np.save("train.label.npy", label)
np.save("test.npy", tokens(test, word)), np.save("test.label.npy", test_label)
print(len(word), file=open("words", "w"))
for seed in seeds:
    draw = np.random.default_rng(seed)
    for part, epochs in EPOCHS.items():
        order = np.concatenate([draw.permutation(len(x)) for _ in range(epochs)])
        epoch = np.repeat(np.arange(epochs, dtype="u4"), len(x))
        array = {"x": view(x[order], draw), "pos": view(x[order], draw), "id": order.astype("u8"), "label": label[order], "epoch": epoch}
        for name in array:
            np.save(f"{part}.{seed}.{name}.npy", array[name])
