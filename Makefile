# cn-tools: programs and library are built into $(BUILD); nothing is written into the tree.
.DEFAULT_GOAL := all
BUILD    ?= build
CC       ?= cc
CFLAGS   ?= -O3 -g
PREFIX   ?= /usr/local
TO       := $(DESTDIR)$(PREFIX)
COMPLETIONS := share/bash-completion/completions
VERSION  := $(shell sed -n 's/^\#define CN_VERSION "\(.*\)"/\1/p' lib/base/tool.h)

# Rooms of lib/, each may include only itself and those before it; rooms joined by a comma do not know each other.
LAYERS   := base tensor stream data nn loss augment,mine,gen,eval

PACKAGES := zlib libzstd libsodium libarchive libjpeg spng jansson openblas
WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wvla -Wmissing-prototypes -Wstrict-prototypes -Wformat=2 \
	-Wno-missing-field-initializers -Werror
ALL_CFLAGS := -std=c11 -D_GNU_SOURCE -Ilib -Iformats -pthread -ffp-contract=off $(WARNINGS) \
	$(shell pkg-config --cflags $(PACKAGES) 2>/dev/null) $(CFLAGS) $(SANITIZE)
LDLIBS   := $(shell pkg-config --libs $(PACKAGES) 2>/dev/null) -lm -pthread $(SANITIZE)

LIB_OBJ  := $(patsubst %.c,$(BUILD)/%.o,$(wildcard lib/*/*.c))
PROGRAMS := $(patsubst bin/%.c,$(BUILD)/bin/%,$(wildcard bin/cn-*.c))
UNITS    := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/unit/test_*.c))
BENCHES  := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/bench/bench_*.c))
FUZZERS  := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/fuzz/fuzz_*.c))
PAGES    := $(patsubst man/%.1.in,$(BUILD)/man/%.1,$(wildcard man/*.1.in)) $(patsubst man/%,$(BUILD)/man/%,$(wildcard man/*.[57]))
export BUILD LAYERS PACKAGES CC

## all: build the programs into build/bin and their manual pages into build/man
all: $(PROGRAMS) $(PAGES)

## help: list what make can do
help:
	@sed -n 's/^## //p' $(firstword $(MAKEFILE_LIST)) | awk -F': ' '{ printf "make %-10s %s\n", $$1, $$2 }'

## deps: install the libraries and tools that are missing; does nothing when all are there
deps:
	@tests/deps.sh

# Libraries are looked up when make starts, so what follows deps is a make of its own.
## demo: set up, train with random, hard and generated negatives, and compare them (3 minutes)
demo: deps
	@$(MAKE) --no-print-directory all
	tests/workflows/demo.sh

## check: set up and run all tests but the slow proofs (less than 10 minutes)
check: deps
	@$(MAKE) --no-print-directory all units
	@tests/run.sh

## full: check, then clang, sanitizers, fuzzing and the workflows
full: check
	@tests/full.sh

## bench: measure speed beside other programs
bench: all
	@set -e; for script in tests/bench/*.sh; do echo "== $$script"; $$script; done

## objectives: compare what several losses learn, on CIFAR-10 (an hour; goes on where it stopped)
objectives: all
	@tests/workflows/objectives.sh

## adversary: compare negatives that are made with others, at equal steps and in equal time (long; goes on where it stopped)
adversary: all
	@tests/workflows/adversary.sh

## improvement: watch a game of generator and encoder, with and without each thing that keeps its balance (a minute)
improvement: all
	@tests/workflows/improvement.sh

## mining: compare what ways of choosing negatives find, and what is learned from it (long; goes on where it stopped)
mining: all
	@tests/workflows/mining.sh

## asan: build with address and undefined behaviour sanitizers into build/asan
asan:
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/asan CFLAGS='-O1 -g' SANITIZE='-fsanitize=address,undefined \
		-fno-sanitize-recover=undefined -fno-omit-frame-pointer' all units fuzzers

## fuzz: feed mutated streams and models to the readers of the sanitizer build
fuzz: asan
	@BUILD=$(BUILD)/asan tests/fuzz.sh

units: $(UNITS)
fuzzers: $(FUZZERS)
benches: $(BENCHES)

# A line for each file; make V=1 shows the commands.
Q := $(if $(V),,@)
say = $(if $(V)$(findstring s,$(firstword -$(MAKEFLAGS))),,@echo '  $(1) $(2)')

$(BUILD)/libcn.a: $(LIB_OBJ)
	@rm -f $@
	$(call say,AR,$@)
	$(Q)ar rcs $@ $^

$(BUILD)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/bin/%: $(BUILD)/bin/%.o $(BUILD)/libcn.a
	$(call say,LD,$@)
	$(Q)$(CC) -o $@ $< $(BUILD)/libcn.a $(LDFLAGS) $(LDLIBS)

$(UNITS) $(FUZZERS) $(BENCHES): %: %.o $(BUILD)/libcn.a
	$(call say,LD,$@)
	$(Q)$(CC) -o $@ $< $(BUILD)/libcn.a $(LDFLAGS) $(LDLIBS)

# A page's lines @SYNOPSIS@ and @OPTIONS@ become what the program says of its option table.
$(BUILD)/man/%.1: man/%.1.in $(BUILD)/bin/%
	@mkdir -p $(@D)
	$(call say,MAN,$@)
	$(Q)$(BUILD)/bin/$* --mdoc >$@.mdoc
	$(Q)awk -f man/fill.awk $@.mdoc $< >$@.new
	@rm $@.mdoc
	@mv $@.new $@

$(BUILD)/man/%: man/%
	@mkdir -p $(@D)
	@cp $< $@

## install: install programs, library, headers, manual and completion below PREFIX (and DESTDIR)
install: all $(BUILD)/libcn.a
	install -d '$(TO)/bin' '$(TO)/lib/pkgconfig' '$(TO)/share/cn-tools' '$(TO)/$(COMPLETIONS)'
	install -m 755 $(PROGRAMS) '$(TO)/bin'
	install -m 644 $(BUILD)/libcn.a '$(TO)/lib'
	for h in lib/*/*.h; do install -D -m 644 $$h "$(TO)/include/cn/$${h#lib/}"; done
	for d in formats/*.def; do install -m 644 $$d '$(TO)/include/cn'; done
	sed 's|@PREFIX@|$(PREFIX)|; s|@VERSION@|$(VERSION)|; s|@PACKAGES@|$(PACKAGES)|' lib/cn.pc.in >'$(TO)/lib/pkgconfig/cn.pc'
	for p in $(PAGES); do install -D -m 644 $$p "$(TO)/share/man/man$${p##*.}/$${p##*/}"; done
	install -m 644 man/cn-completion.bash '$(TO)/$(COMPLETIONS)/cn-tools'
	for p in $(notdir $(PROGRAMS)); do ln -sf cn-tools "$(TO)/$(COMPLETIONS)/$$p"; done
	if [ -e formats/cn.magic ]; then install -m 644 formats/cn.magic '$(TO)/share/cn-tools'; fi

## uninstall: remove what install put there
uninstall:
	rm -f $(addprefix '$(TO)/bin/',$(notdir $(PROGRAMS))) '$(TO)/lib/libcn.a' '$(TO)/lib/pkgconfig/cn.pc'
	rm -f $(foreach p,$(PAGES),'$(TO)/share/man/man$(subst .,,$(suffix $(p)))/$(notdir $(p))')
	rm -f $(addprefix '$(TO)/$(COMPLETIONS)/',cn-tools $(notdir $(PROGRAMS)))
	rm -rf '$(TO)/include/cn' '$(TO)/share/cn-tools'

## clean: remove the build folder
clean:
	rm -rf $(BUILD)

-include $(LIB_OBJ:.o=.d) $(PROGRAMS:=.d) $(UNITS:=.d) $(FUZZERS:=.d) $(BENCHES:=.d)
.PHONY: all help deps demo check full bench objectives improvement mining adversary asan fuzz units fuzzers benches install uninstall clean
.SECONDARY:
