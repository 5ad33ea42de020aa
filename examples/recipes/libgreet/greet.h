#ifndef GREET_H
#define GREET_H

#include <stddef.h>

/* The version of the library that is loaded, such as "1.2.0". */
const char *greet_version(void);

/* Whether a phrase can greet somebody: it has exactly one "%s" and no other "%". */
int greet_valid(const char *phrase);

/* Writes the phrase with its "%s" replaced by name; returns 0, or -1 if the phrase is
 * not valid or the buffer is too small. */
int greet_compose(const char *phrase, const char *name, char *buffer, size_t size);

#endif
