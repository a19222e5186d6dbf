# rounds.mk - the adversarial loop in rounds, by make: each takes the next rows of pairs.cns, makes their negatives with the model
# of the round before, and trains that further.  make -f rounds.mk ROUNDS=4 rounds.safetensors
ROUNDS ?= 4
ROWS   ?= 3000
TRAIN  := cn-train -q --batch 20 --schedule constant --lr 1e-3
SHELL  := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.SECONDARY:

numbers := $(shell seq 1 $(ROUNDS))

rounds.safetensors: round.$(ROUNDS).safetensors
	cp $< $@

# The first round has no model to make negatives with, and trains on the pairs alone.
round.1.safetensors: pairs.cns
	cn-cat -n $(ROWS) $< | $(TRAIN) --arch 'conv:16 conv:32/2 conv:64/2 gap' --head 'linear:32 relu linear:16' -o $@

# round N: negatives.N.cns by round N-1; what the generator has learned goes on in gan.N.
define round
negatives.$(1).cns: round.$$(shell expr $(1) - 1).safetensors pairs.cns
	if [ -e gan.$$(shell expr $(1) - 1) ]; then cp gan.$$(shell expr $(1) - 1) gan.$(1); else rm -f gan.$(1); fi
	cn-cat --skip $$(shell expr $(ROWS) '*' '(' $(1) - 1 ')') -n $(ROWS) pairs.cns | \
		cn-gen -m $$< --state gan.$(1) --round 250 --warmup 500 -o $$@

round.$(1).safetensors: negatives.$(1).cns
	$(TRAIN) --init round.$$(shell expr $(1) - 1).safetensors $$< -o $$@
endef
$(foreach n,$(filter-out 1,$(numbers)),$(eval $(call round,$(n))))
