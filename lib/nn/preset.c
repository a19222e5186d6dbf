/* preset - the table of names. */
#include <string.h>

#include "nn/preset.h"

#include "base/banned.h"

static const struct {
	const char *name, *words;
} presets[] = {
	{ "mlp", "flatten linear:256 relu linear:256 relu linear:128" },
	{ "conv", "conv:32 conv:64/2 conv:128/2 conv:256/2 gap" },
	{ "resnet8", "conv:16 res:16 res:32/2 res:64/2 gap" },
	{ "resnet18", "conv:64 res:64 res:64 res:128/2 res:128 res:256/2 res:256 res:512/2 res:512 gap" },
	{ "linear", "flatten linear:128" },
	{ "identity", "flatten" },
	{ "bag", "bag:30000x128" },
	{ "table", "table:30000x128 gap" },
};

#define PRESETS (sizeof presets / sizeof *presets)

const char *
cn_preset_words(const char *arch)
{
	for (size_t i = 0; i < PRESETS; i++)
		if (strcmp(arch, presets[i].name) == 0)
			return presets[i].words;
	return arch;
}

const char *
cn_preset_name(size_t i)
{
	return i < PRESETS ? presets[i].name : NULL;
}
