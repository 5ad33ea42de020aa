#include "greet.h"

#include <string.h>

const char *greet_version(void)
{
    return GREET_VERSION;
}

int greet_valid(const char *phrase)
{
    const char *mark = strchr(phrase, '%');
    return mark != NULL && mark[1] == 's' && strchr(mark + 1, '%') == NULL;
}

int greet_compose(const char *phrase, const char *name, char *buffer, size_t size)
{
    if (!greet_valid(phrase))
        return -1;

    const size_t before = (size_t)(strchr(phrase, '%') - phrase);
    const char *after = phrase + before + 2;
    if (before + strlen(name) + strlen(after) >= size)
        return -1;

    memcpy(buffer, phrase, before);
    strcpy(buffer + before, name);
    strcat(buffer, after);
    return 0;
}
