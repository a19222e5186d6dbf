# cn-tools: programs and library are built into $(BUILD); nothing is written into the tree.
.DEFAULT_GOAL := all
BUILD    ?= build
CC       ?= cc
PACKAGES := zlib libzstd libsodium libarchive libjpeg spng jansson openblas
WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wvla -Wmissing-prototypes -Wstrict-prototypes -Wformat=2 -Wno-missing-field-initializers -Werror
CFLAGS   ?= -O2 -g
ALL_CFLAGS = -std=c11 -D_GNU_SOURCE -Ilib -Iformats -pthread -ffp-contract=off $(WARNINGS) $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null) $(CFLAGS) $(SANITIZE)
LDLIBS   = $(shell pkg-config --libs $(PACKAGES) 2>/dev/null) -lm -pthread $(SANITIZE)

LIB_SRC  := $(wildcard lib/*/*.c)
LIB_OBJ  := $(LIB_SRC:%.c=$(BUILD)/%.o)
PROGRAMS := $(patsubst bin/%.c,$(BUILD)/bin/%,$(wildcard bin/cn-*.c))
UNITS    := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/test_*.c))

## all: build the programs into build/bin
all: $(PROGRAMS)

units: $(UNITS)

$(BUILD)/libcn.a: $(LIB_OBJ)
	@rm -f $@
	ar rcs $@ $^

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/bin/%: $(BUILD)/bin/%.o $(BUILD)/libcn.a
	$(CC) -o $@ $< $(BUILD)/libcn.a $(LDFLAGS) $(LDLIBS)

$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(BUILD)/libcn.a
	$(CC) -o $@ $< $(BUILD)/libcn.a $(LDFLAGS) $(LDLIBS)

clean:
	rm -rf $(BUILD)

-include $(LIB_OBJ:.o=.d) $(PROGRAMS:$(BUILD)/bin/%=$(BUILD)/bin/%.d) $(UNITS:=.d)
.PHONY: all units clean
.SECONDARY:
