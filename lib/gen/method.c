/* method - the table of methods. */
#include "gen/method.h"

#include "base/banned.h"

static const struct cn_method_kind *const kinds[] = {
	&cn_gan_kind, &cn_adversary_kind, &cn_daml_kind, &cn_hdml_kind, &cn_select_kind, &cn_mix_kind, &cn_gradient_kind,
};

const struct cn_method_kind *
cn_method_kind(int choice)
{
	return kinds[choice];
}
