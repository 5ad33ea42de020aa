/* Greets: the phrase from the texts, the language and the name from the configuration or
 * the command line, the sentence by libgreet. */
#include <greet.h>

#include <stdio.h>
#include <string.h>

#include "phrases.h"

#define CONFIG "/etc/greet.conf"
#define TEXTS "/usr/share/greet/texts"

static void setting(const char *line, const char *key, char *value, size_t size)
{
    const size_t length = strlen(key);
    if (strncmp(line, key, length) == 0 && strncmp(line + length, " = ", 3) == 0)
        snprintf(value, size, "%.*s", (int)strcspn(line + length + 3, "\n"), line + length + 3);
}

static void read_config(char *language, char *name, size_t size)
{
    FILE *config = fopen(CONFIG, "r");
    if (config == NULL)
        return;
    char line[256];
    while (fgets(line, sizeof line, config) != NULL) {
        setting(line, "language", language, size);
        setting(line, "name", name, size);
    }
    fclose(config);
}

static int find_phrase(const char *language, char *phrase, size_t size)
{
    FILE *texts = fopen(TEXTS, "r");
    if (texts == NULL)
        return 0;
    char line[512];
    int found = 0;
    while (!found && fgets(line, sizeof line, texts) != NULL) {
        char *tab = strchr(line, '\t');
        if (tab == NULL)
            continue;
        *tab = '\0';
        found = strcmp(line, language) == 0;
        if (found)
            snprintf(phrase, size, "%.*s", (int)strcspn(tab + 1, "\n"), tab + 1);
    }
    fclose(texts);
    return found;
}

int main(int argc, char **argv)
{
    char language[64] = "en", name[64] = "world", phrase[512], greeting[1024];

    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        printf("greet %s (libgreet %s)\n", GREET_PROGRAM_VERSION, greet_version());
        return 0;
    }
    read_config(language, name, sizeof name);
    if (argc > 2 && strcmp(argv[1], "-l") == 0) {
        snprintf(language, sizeof language, "%s", argv[2]);
        argc -= 2;
        argv += 2;
    }
    if (argc > 1)
        snprintf(name, sizeof name, "%s", argv[1]);

    if (!find_phrase(language, phrase, sizeof phrase)) {
        fprintf(stderr, "greet: no text for \"%s\", speaking \"%s\"\n", language, phrases[0].code);
        snprintf(phrase, sizeof phrase, "%s", phrases[0].phrase);
    }
    if (greet_compose(phrase, name, greeting, sizeof greeting) != 0) {
        fprintf(stderr, "greet: cannot greet with \"%s\"\n", phrase);
        return 1;
    }
    puts(greeting);
    return 0;
}
